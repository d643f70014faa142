"""Rules that are bound to loops, labels and hosts, with the real program."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loops.rules import write_rule
from tests.support.processes.command import Command

if TYPE_CHECKING:
    from pathlib import Path

INVENTORY = """web:
  hosts:
    web01: {ansible_connection: local}
data:
  hosts:
    db01: {ansible_connection: local}
"""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    (tmp_path / "hosts.yaml").write_text(INVENTORY)
    return Command(tmp_path)


def started(command: Command, name: str, *more: str, status: int = 0) -> dict[str, Any]:
    """Run a loop that rules decide; returns its document."""
    rules = ("--decider", "rules", "--rules-dir", str(command.directory / "rules"), "--max-iterations", "2")
    ran = command.run("run", "it is as it should be", "--name", name, *rules, *more, "--json")
    assert ran.returncode == status, ran.stdout + ran.stderr
    return json.loads(ran.stdout)["loop"]


def test_a_rule_of_one_loop_does_not_fire_in_another(command: Command) -> None:
    base = command.directory
    for name, applies_to in (("by_loop", {"loops": "web*"}), ("by_label", {"labels": {"tier": ["web", "shop"]}})):
        made = base / name
        head = f"import os\nMADE = {str(made)!r}"
        action = "await ftl.file(path=MADE, state='touch')"
        condition = "return not os.path.exists(MADE)"
        write_rule(base / "rules", name, applies_to=applies_to, head=head, condition=condition, action=action)
    other = started(command, "other", "--label", "tier=data", status=1)
    assert other["reason"] == "No rule applies to this loop, so nothing was checked."
    assert not (base / "by_loop").exists()
    assert not (base / "by_label").exists()
    shop = started(command, "shop", "--label", "tier=shop", "--max-iterations", "3")
    assert shop["spec"]["labels"] == {"tier": "shop"}
    assert not (base / "by_loop").exists()
    assert (base / "by_label").exists()
    started(command, "web-1", "--max-iterations", "3")
    assert (base / "by_loop").exists()


def test_a_rule_that_is_bound_to_hosts_is_refused_on_another_one(command: Command) -> None:
    base = command.directory
    action = f"await ftl.run_on(['web01', 'db01'], 'shell', cmd='echo x >> {base}/effects')"
    write_rule(base / "rules", "bound", applies_to={"hosts": "web"}, action=action)
    started(command, "web", "-i", "hosts.yaml", "--max-iterations", "1", status=1)
    with closing(sqlite3.connect(command.database)) as connection:
        rows = connection.execute("select host, state, error from actions order by id").fetchall()
    assert rows == [
        ("web01", "succeeded", None),
        ("db01", "denied", "the rule bound applies to the hosts web, and db01 is none of them"),
    ]
    assert (base / "effects").read_text() == "x\n"
    history = command.run("history", "web", "--actions").stdout
    assert "the rule bound applies to the hosts web, and db01 is none of them" in history
    started(command, "local", "--max-iterations", "1", status=1)
    assert (base / "effects").read_text() == "x\n"


def test_a_rule_that_does_not_state_what_it_applies_to_is_refused(command: Command) -> None:
    base = command.directory
    path = write_rule(base / "rules", "global", action=f"await ftl.file(path='{base}/made', state='touch')")
    path.write_text(path.read_text().replace("applies_to = 'everything'", ""))
    ran = command.run("run", "it is", "--decider", "rules", "--rules-dir", str(base / "rules"))
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert 'add applies_to = "everything"' in ran.stderr
    assert not (base / "made").exists()


@pytest.mark.parametrize("label", ["tier", "tier=", "a b=c"])
def test_a_label_that_is_none_is_refused(command: Command, label: str) -> None:
    command.creates_database = True
    ran = command.run("run", "it is", "--decider", "rules", "--label", label)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: cannot take the ")
    assert "Traceback" not in ran.stderr
    assert not command.database.exists()
