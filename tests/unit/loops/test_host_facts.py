"""Which facts about hosts observations yield."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ftl2_enterprise.loops.host_facts import facts_from, parse_os_release
from ftl2_enterprise.protocol.loops.decision import ObservationSpec

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nID=debian\n'
ROCKY = 'NAME=\'Rocky Linux\'\nID="rocky"\nID_LIKE="rhel centos fedora"\n'


def observation(module: str, **params: Any) -> ObservationSpec:
    return ObservationSpec(name="os", module=module, params=params, host="web01")


@pytest.mark.parametrize("module", ["shell", "command", "ansible.builtin.command", "raw"])
@pytest.mark.parametrize("param", ["cmd", "_raw_params"])
def test_facts_from_os_release_read_by_a_command(module: str, param: str) -> None:
    spec = observation(module, **{param: "cat /etc/os-release"})
    assert facts_from(spec, {"stdout": DEBIAN, "rc": 0}) == {
        "distribution": "Debian GNU/Linux 12 (bookworm)",
        "distribution_id": "debian",
        "pkg_manager": "apt",
    }


def test_facts_from_os_release_read_by_other_modules() -> None:
    content = base64.b64encode(ROCKY.encode()).decode()
    rocky = {"distribution": "Rocky Linux", "distribution_id": "rocky", "pkg_manager": "dnf"}
    assert facts_from(observation("slurp", src="/etc/os-release"), {"content": content}) == rocky
    assert facts_from(observation("command", argv=["cat", "/etc/os-release"]), {"stdout": ROCKY}) == rocky


@pytest.mark.parametrize(
    ("identity", "like", "manager"),
    [
        ("ubuntu", "debian", "apt"),
        ("linuxmint", "ubuntu debian", "apt"),
        ("almalinux", "rhel", "dnf"),
        ("ol", "fedora", "dnf"),
        ("amzn", "fedora", "dnf"),
        ("alpine", "", None),
        ("arch", "", None),
        ("UBUNTU", "", "apt"),
    ],
)
def test_facts_about_package_managers(identity: str, like: str, manager: str | None) -> None:
    assert parse_os_release(f"ID={identity}\nID_LIKE='{like}'").get("pkg_manager") == manager


def test_facts_from_the_setup_module() -> None:
    result = {"ansible_facts": {"ansible_system": "Linux", "ansible_machine": "x86_64", "ansible_processor": [1]}}
    assert facts_from(observation("setup"), result) == {"system": "Linux", "machine": "x86_64"}
    assert facts_from(observation("ansible.builtin.setup"), {"ansible_facts": None}) == {}


@pytest.mark.parametrize(
    ("spec", "result"),
    [
        (observation("command", cmd="cat /etc/os-release"), {"stdout": DEBIAN, "failed": True}),
        (observation("command", cmd="cat /etc/issue"), {"stdout": DEBIAN}),
        (observation("command", cmd="cat /etc/os-release"), {"stdout": "cat: no such file\n=x\n"}),
        (observation("command", cmd="cat /etc/os-release"), {}),
        (observation("slurp", src="/etc/os-release"), {"content": "%%%"}),
        (observation("slurp", src="/etc/os-release"), {}),
        (observation("stat", path="/etc/os-release"), {"stat": {}}),
    ],
)
def test_observations_without_facts(spec: ObservationSpec, result: dict[str, Any]) -> None:
    assert facts_from(spec, result) == {}


def test_a_damaged_line_does_not_hide_the_others() -> None:
    assert parse_os_release('NAME="Half\nID=debian')["distribution_id"] == "debian"
