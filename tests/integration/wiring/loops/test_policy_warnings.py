"""`policy show` warns of hosts and groups that no inventory of a loop has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.verbs import ShowPolicy
from ftl2_enterprise.wiring.loops import policy_check
from ftl2_enterprise.wiring.settings import MODEL
from tests.support.loops.engine import ScriptedDecider, bench

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """
rules:
  - {decision: deny, match: {module: docker_container}}
  - {decision: deny, match: {host: prod}}
  - {decision: deny, match: {host: staging}}
  - {decision: deny, match: {module: add_resource}}
"""
UNKNOWN_MODULE = (
    "web rule 1 (policy.yml line 3): no module is called 'docker_container'; one of a collection has its full name"
)
UNKNOWN_GROUP = "web rule 3 (policy.yml line 5): no inventory has a host, a group or an address 'staging'"


def warnings(tmp_path: Path, inventory: str | None) -> list[str]:
    (tmp_path / "policy.yml").write_text(POLICY)
    config = tmp_path / "config.toml"
    config.write_text("[policy]\ndirectory = ''\n")
    settings = MODEL.load(config=config, environ={"HOME": str(tmp_path)}).settings
    where = {"policy": str(tmp_path / "policy.yml"), "inventory": inventory}
    with bench(tmp_path, ScriptedDecider(), **where) as b, b.database.read() as tx:
        shown = policy_check.in_force(ShowPolicy(loop="web"), settings, tx)
        assert policy_check.in_force(ShowPolicy(), settings, tx).warnings == []
    return shown.warnings


def test_a_group_of_no_inventory(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("prod:\n  hosts:\n    a: {}\n")
    assert warnings(tmp_path, str(tmp_path / "hosts.yml")) == [UNKNOWN_MODULE, UNKNOWN_GROUP]


@pytest.mark.parametrize("kind", ["missing", "program"])
def test_an_inventory_that_is_not_read_is_no_reason_for_warnings(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "inventory"
    if kind == "program":
        path.write_text("#!/bin/sh\ntouch executed\nexit 1\n")
        path.chmod(0o755)
    assert warnings(tmp_path, str(path)) == [UNKNOWN_MODULE]


def test_a_loop_without_an_inventory_has_this_machine(tmp_path: Path) -> None:
    assert len(warnings(tmp_path, None)) == 3
