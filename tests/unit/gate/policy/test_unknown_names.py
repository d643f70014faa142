"""Names of modules, hosts and groups that nothing has: mistyped modules are refused, the others are warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.gate.approvals import ApprovalNeed
from ftl2_enterprise.gate.policy import unknown_names
from ftl2_enterprise.gate.policy.file import load_policy
from ftl2_enterprise.gate.policy.types import AppliesTo, PolicyRule, RuleDecision

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = frozenset({"localhost", "local", "web01", "web", "192.0.2.1"})
BOTH = frozenset({AppliesTo.ACTIONS, AppliesTo.MODEL_CALLS})


def written(tmp_path: Path, module: str, more: str = "") -> Path:
    path = tmp_path / "policy.yml"
    path.write_text(f'rules:\n  - decision: deny\n    match: {{module: "{module}"}}\n{more}')
    return path


def warned(hosts: frozenset[str] | None = HOSTS, **match: str) -> list[str]:
    rule = PolicyRule(number=1, match=match, reason="", source="p.yml line 2")
    return list(unknown_names.warnings([rule], hosts, {"enlarge"}))


def test_a_group_of_people_that_this_system_does_not_have() -> None:
    asked: list[str] = []

    def is_group(name: str) -> bool:
        asked.append(name)
        return name == "network"

    rules = [
        PolicyRule(number=number, match={"module": "shell"}, reason="", source="p.yml line 2",
                   decision=RuleDecision.ASK, needs=ApprovalNeed(group=group))
        for number, group in enumerate(("network", "netwrk", "", "netwrk"), 1)
    ]  # fmt: skip
    found = list(unknown_names.warnings(rules, HOSTS, (), is_group))
    why = "(p.yml line 2): this system has no group 'netwrk', so that no person can agree"
    assert found == [f"rule 2 {why}", f"rule 4 {why}"]
    assert asked == ["network", "netwrk"]


@pytest.mark.parametrize(
    ("module", "meant"),
    [("shel", "shell"), ("ansible.builtin.coppy", "copy"), ("service_fact", "service_facts"), ("Shel", "shell")],
)
def test_a_mistyped_module_is_refused_with_the_nearest_name(tmp_path: Path, module: str, meant: str) -> None:
    with pytest.raises(Problem, match=f"policy.yml line 3: there is no module '{module}'") as caught:
        load_policy(written(tmp_path, module))
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    "module",
    ["shell", "Shell", "sh*", "sh?l", "ansible.legacy.copy", "my.own.shel", "community.general.ufw", "add_host",
     "docker_container", "frobnicate"],
)  # fmt: skip
def test_other_names_are_accepted(tmp_path: Path, module: str) -> None:
    assert load_policy(written(tmp_path, module)).rules[0].match == {"module": module}


def test_the_module_of_a_request_to_a_model_is_its_provider(tmp_path: Path) -> None:
    assert load_policy(written(tmp_path, "shel", "    applies_to: model_calls\n")).rules


@pytest.mark.parametrize("module", ["shell", "sh*", "my.own.module", "enlarge", "community.docker.docker_container"])
def test_a_module_that_may_exist_is_no_warning(module: str) -> None:
    assert warned(module=module) == []


def test_a_short_name_of_no_module_is_a_warning() -> None:
    assert warned(module="docker_container") == [
        "rule 1 (p.yml line 2): no module is called 'docker_container'; one of a collection has its full name"
    ]


@pytest.mark.parametrize("host", ["web01", "WEB01", "web01.", "we*", "web", "local", "192.0.2.?", "*"])
def test_a_host_or_a_group_that_exists_is_no_warning(host: str) -> None:
    assert warned(host=host) == []


@pytest.mark.parametrize("host", ["wbe", "prod-*", "192.0.3.*"])
def test_a_host_that_no_inventory_has_is_a_warning_if_the_inventories_are_known(host: str) -> None:
    assert warned(host=host) == [f"rule 1 (p.yml line 2): no inventory has a host, a group or an address {host!r}"]
    assert warned(None, host=host) == []


def test_a_rule_about_models_alone_has_neither() -> None:
    match = {"module": "claude", "host": "wbe"}
    of_models = PolicyRule(number=1, match=match, reason="", source="", applies_to=frozenset({AppliesTo.MODEL_CALLS}))
    assert list(unknown_names.warnings([of_models], HOSTS)) == []
    of_both = PolicyRule(number=1, match={"module": "claude"}, reason="", source="", applies_to=BOTH)
    assert list(unknown_names.warnings([of_both], HOSTS)) == []


def test_a_mistyped_parameter_of_a_module_in_the_table_is_a_warning() -> None:
    assert warned(HOSTS, module="file", **{"param.pth": "/etc/*"}) == [
        "rule 1 (p.yml line 2): file is not known to have a parameter 'pth'; did you mean path?"
    ]


@pytest.mark.parametrize(
    ("module", "parameter"), [("file", "path"), ("file", "mode"), ("acme.own.file", "pth"), ("f*", "pth")]
)
def test_other_parameters_are_no_warning(module: str, parameter: str) -> None:
    assert warned(HOSTS, module=module, **{f"param.{parameter}": "x"}) == []
