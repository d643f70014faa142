"""Whether loops know a name that a person freezes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from ftl2_enterprise.loops.tables import loops
from ftl2_enterprise.protocol.loops.hosts import TargetMatch
from ftl2_enterprise.wiring.loops import host_names
from tests.support.loops.engine import ScriptedDecider, bench

if TYPE_CHECKING:
    from pathlib import Path

INVENTORY = "www:\n  hosts:\n    web1: {ansible_host: 10.0.0.5}\n    web2: {}\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web1", TargetMatch(known=True)),
        ("WEB1.", TargetMatch(known=True)),
        ("www", TargetMatch(known=True)),
        ("10.0.0.5", TargetMatch(known=True)),
        ("127.0.0.1", TargetMatch(known=True)),
        ("wbe1", TargetMatch(known=False, close=["web1"])),
        ("database", TargetMatch(known=False)),
    ],
)
def test_names_are_compared_as_freezes_compare_them(tmp_path: Path, name: str, expected: TargetMatch) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    with bench(tmp_path, ScriptedDecider(), inventory=str(tmp_path / "hosts.yml")) as b, b.database.read() as tx:
        assert host_names.match(tx, name) == expected


def test_an_inventory_that_cannot_be_read_is_no_reason_for_a_warning(tmp_path: Path) -> None:
    with bench(tmp_path, ScriptedDecider(), inventory=str(tmp_path / "missing")) as b, b.database.read() as tx:
        assert host_names.match(tx, "web1") == TargetMatch(known=None)


@pytest.mark.parametrize(
    ("state", "outcome", "known"), [("failed", "not_converged", True), ("cancelled", "cancelled", False)]
)
def test_a_loop_that_can_be_retried_has_its_hosts(tmp_path: Path, state: str, outcome: str, known: bool) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    with bench(tmp_path, ScriptedDecider(), inventory=str(tmp_path / "hosts.yml")) as b:
        with b.database.write() as tx:
            tx.connection.execute(update(loops).values(state=state, outcome=outcome, ended_at=tx.now))
        with b.database.read() as tx:
            assert host_names.match(tx, "web1") == TargetMatch(known=known)
