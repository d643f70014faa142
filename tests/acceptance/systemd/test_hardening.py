"""The unit as systemd judges it, and as loops feel it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.systemd.manifests import HOME, long

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn


def exposure(machine: Machine[Nspawn]) -> float:
    output = machine.run("systemd-analyze", "security", "--no-pager", "ftl2-enterprise.service")
    found = re.search(r"Overall exposure level for ftl2-enterprise.service: ([0-9.]+)", output)
    assert found, output
    return float(found[1])


def test_exposure_is_at_most_two(machine: Machine[Nspawn]) -> None:
    assert exposure(machine) <= 2.0
    for unit in ("ftl2-enterprise.service", "ftl2-enterprise.socket"):
        done = machine.try_("systemd-analyze", "verify", "--man=no", f"/usr/lib/systemd/system/{unit}")
        assert (done.status, done.output) == (0, ""), done


OUTSIDE = {
    "write to the system": "touch /etc/mark",
    "write to /home": "touch /home/alice/mark",
    "become root": "sudo -n true",
    "see the devices": "test -e /dev/kmsg",
    "make a namespace": "unshare --user true",
}


@pytest.mark.parametrize("command", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_loop_cannot_leave_its_sandbox(machine: Machine[Nspawn], command: str) -> None:
    machine.write("/etc/sudoers.d/service", "ftl2-enterprise ALL=(ALL) NOPASSWD: ALL\n", mode="0440")
    body = f"if {command}; then touch {HOME}/could; else touch {HOME}/could-not; fi"
    done = machine.submit("tries", long("tries", body, until=f"{HOME}/could-not"), "--wait", "--max-iterations", "2")
    assert machine.exists(f"{HOME}/could-not"), done
    assert not machine.exists(f"{HOME}/could")


def test_a_loop_has_its_own_tmp(machine: Machine[Nspawn]) -> None:
    machine.write("/tmp/mark", "")
    body = f"if test -e /tmp/mark; then touch {HOME}/seen; fi; touch /tmp/mine {HOME}/done"
    assert machine.submit("tmp", long("tmp", body, until=f"{HOME}/done"), "--wait").status == 0
    assert not machine.exists(f"{HOME}/seen")
    assert not machine.exists("/tmp/mine")
