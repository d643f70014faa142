"""Databases that earlier versions have made are brought up to date with every row in them."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from alembic import op
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from ftl2_enterprise.core import lease
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.rows import loops as loop_rows, prompts as prompt_rows
from ftl2_enterprise.loops.units.claim import claim
from ftl2_enterprise.protocol.fact import UnknownFact, fact_of, kind_of
from ftl2_enterprise.protocol.loops import facts as loop_facts
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState, PromptState
from ftl2_enterprise.protocol.service import facts as service_facts
from ftl2_enterprise.store import backup, events, schema_version
from ftl2_enterprise.store.sqlite import driver
from ftl2_enterprise.wiring.database import open_database
from ftl2_enterprise.wiring.migrations import branches
from tests.support.data.database import ask, begun_iteration, one_of_each
from tests.support.data.schemas import expected_schema, highest_given, rows, schema
from tests.support.processes.disk import mounted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ftl2_enterprise.store.branches import Branches

FROZEN = sorted((Path(__file__).parent / "data").glob("loops-*.db.gz"))

MADE_ANEW = (
    "hosts", "resources", "increments", "prompts", "rule_results", "iterations", "observations", "actions",
    "model_calls",
)  # fmt: skip
"""By the migration 0003."""
OLDER = [path for path in FROZEN if path.name < "loops-0003"]
"""Those that the migration 0003 changes."""
REPLACED = {("index", "events_by_loop")}
"""By the migration 0004."""


def unpacked(packed: Path, path: Path) -> Path:
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path


@pytest.fixture(params=FROZEN, ids=lambda path: path.name.removesuffix(".db.gz"))
def frozen(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return unpacked(request.param, tmp_path / "loops.db")


@pytest.fixture(params=OLDER, ids=lambda path: path.name.removesuffix(".db.gz"))
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return unpacked(request.param, tmp_path / "loops.db")


def with_subject(event: dict[str, object]) -> dict[str, object]:
    """An event of the schema 0003 as one of the schema 0004."""
    loop_id, iteration_id = event["loop_id"], event["iteration_id"]
    data = json.loads(str(event["data"]))
    return {
        "id": event["id"],
        "at": event["at"],
        "kind": event["kind"],
        "subject": "" if loop_id is None else f"loop:{loop_id}",
        "actor": event["actor"],
        "data": data if iteration_id is None else {"iteration_id": iteration_id, **data},
    }


def objects(path: Path) -> set[tuple[str, str]]:
    connection = sqlite3.connect(path)
    found = set(connection.execute("SELECT type, name FROM sqlite_master"))
    connection.close()
    return found


NEWER_FACTS = {
    "approval.expired",
    "approval.given",
    "approval.rejected",
    "approval.requested",
    "approval.used",
    "approval.voided",
    "host.trusted",
    "iteration.delayed",
    "loop.frozen",
    "loop.updated",
    "model.available",
    "model.day_raised",
    "model.overran",
    "model.queued",
    "model.unavailable",
    "service.frozen",
    "state.previewed",
    "service.thawed",
}
"""Kinds of facts that version 0.2 added."""
NOT_RELEASED = {"0004", "0005", "0006"}
"""Revisions of version 0.2. When it is released, a database that it has made is added to the frozen ones."""


def test_each_schema_that_was_released_is_frozen() -> None:
    frozen = {path.name.split("-")[1].split(".")[0] for path in FROZEN}
    assert frozen >= set(branches().store.revisions) - NOT_RELEASED


def test_the_frozen_databases_have_what_can_be_lost(frozen: Path) -> None:
    before = rows(frozen)
    assert len(before["loops"]) >= 7
    assert all(before[name] for name in (*MADE_ANEW, "events", "texts"))
    assert "open" in {row["state"] for row in before["prompts"]}


def test_the_newest_frozen_database_has_everything(tmp_path: Path) -> None:
    newest = unpacked(FROZEN[-1], tmp_path / "loops.db")
    before = rows(newest)
    assert {row["state"] for row in before["loops"]} == set(LoopState)
    assert {row["state"] for row in before["prompts"]} == set(PromptState)
    # The ids of a loop that was deleted are known from the facts alone.
    for name in ("iterations", "actions", "prompts", "model_calls"):
        assert highest_given(newest)[name] > max(cast("int", row["id"]) for row in before[name])


def test_an_upgrade_keeps_every_row_index_and_trigger(frozen: Path) -> None:
    before, there = rows(frozen), objects(frozen)
    with pytest.raises(Problem, match="older than this program"):
        open_database(frozen, create=False)
    open_database(frozen, create=True).close()
    after = rows(frozen)
    counted = {row["name"]: row["seq"] for row in after.pop("sqlite_sequence")}
    assert all(counted[row["name"]] == row["seq"] for row in before.pop("sqlite_sequence"))
    events = [{**event, "data": json.loads(str(event["data"]))} for event in after.pop("events")]
    assert events == [with_subject(event) for event in before.pop("events")]
    for name, many in before.items():
        kept = [{column: row[column] for column in old} for old, row in zip(many, after[name], strict=True)]
        assert kept == many, name
    assert there - REPLACED <= objects(frozen)


def test_the_events_of_an_upgraded_database_are_facts(tmp_path: Path) -> None:
    newest = unpacked(FROZEN[-1], tmp_path / "loops.db")
    with closing(open_database(newest, create=True)) as db, db.read() as tx:
        found = events.list_events(tx, limit=1000)
        of_loop = events.list_events(tx, subject="loop:11", limit=1000)
    # Every kind that there was; those before were written by tests of the time, without their fields.
    kinds = {kind_of(fact) for fact in (*loop_facts.FACTS, *service_facts.FACTS)}
    assert {event.kind for event in found} == kinds - NEWER_FACTS
    assert len(of_loop) > 40
    for event in of_loop:
        assert not isinstance(fact_of(event), UnknownFact), event
    assert [event.subject for event in found if event.kind.startswith("service.")] == [""] * 4


def test_the_log_of_an_upgraded_database_stays_append_only(frozen: Path) -> None:
    with closing(open_database(frozen, create=True)) as db:
        for change in ("UPDATE events SET kind = 'x'", "DELETE FROM events"):
            with pytest.raises(IntegrityError, match="append-only"), db.write() as tx:
                tx.connection.execute(text(change))


def test_an_upgraded_database_has_the_schema_of_a_new_one(frozen: Path) -> None:
    with closing(open_database(frozen, create=True)) as db, db.read() as tx:
        assert schema(tx.connection) == expected_schema()


def test_an_upgraded_database_is_intact_and_usable(frozen: Path) -> None:
    with closing(open_database(frozen, create=True)) as db, db.write() as tx:
        assert tx.connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert tx.connection.execute(text("PRAGMA foreign_key_check")).all() == []
        assert tx.connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        loop = loop_rows.get_loop(tx, "paused")
        assert (loop.state, loop.desired, loop.managed, loop.crashes) == (
            LoopState.PAUSED, Desired.PAUSE, False, 0,
        )  # fmt: skip


def test_ids_that_were_given_are_not_given_again(frozen: Path) -> None:
    given = highest_given(frozen)
    with closing(open_database(frozen, create=True)) as db, db.write() as tx:
        for name in ("disabled_rules", "handovers"):
            tx.connection.execute(text(f"DELETE FROM {name}"))
        one_of_each(tx, "new")
    now = {name: [row["id"] for row in many] for name, many in rows(frozen).items() if name in given}
    for name in ("loops", *MADE_ANEW):
        assert now[name][-1] == given[name] + 1, name


def test_a_question_that_was_open_is_answered_after_the_upgrade(frozen: Path) -> None:
    with closing(open_database(frozen, create=True)) as db, db.write() as tx:
        loop = loop_rows.get_loop(tx, "asks")
        (prompt,) = prompt_rows.get_prompts(tx, loop.id, state=PromptState.OPEN)
        assert (loop.state, loop.open_prompts) == (LoopState.WAITING, 1)
        prompt_rows.answer_prompt(tx, prompt.id, "80", "eva")
        assert loop_rows.get_loop(tx, "asks").open_prompts == 0


def test_an_owner_of_an_earlier_version_is_still_known(frozen: Path) -> None:
    named = lease.parse(lease.current())
    alive = f"{named.boot}:{named.pid}:{named.start}"
    dead = f"00000000-0000-0000-0000-000000000000:{named.pid}:{named.start}"
    with closing(sqlite3.connect(frozen)) as connection:
        connection.execute("UPDATE loops SET owner = ? WHERE name = 'web'", (alive,))
        connection.execute("UPDATE loops SET owner = ? WHERE name = 'paused'", (dead,))
        connection.commit()
    with closing(open_database(frozen, create=True)) as db, db.write() as tx:
        held, free = loop_rows.get_loop(tx, "web"), loop_rows.get_loop(tx, "paused")
        assert (held.owner, free.owner) == (alive, dead)
        with pytest.raises(Problem, match=f"cannot run loop web: process {named.pid} is running it"):
            claim(tx, held.id, "another")
        assert claim(tx, free.id, lease.current()) == free.generation + 1
        assert loop_rows.get_loop(tx, "paused").owner == lease.current()


def test_an_upgrade_that_would_lose_a_row_is_undone(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(frozen)
    migrate = schema_version.migrate

    def loses(connection: Connection, branches: Branches) -> None:
        migrate(connection, branches)
        # Its history refers to it.
        connection.execute(text("DELETE FROM loops WHERE name = 'asks'"))

    monkeypatch.setattr(schema_version, "migrate", loses)
    with pytest.raises(RuntimeError, match="refer to rows that do not exist"):
        open_database(frozen, create=True)
    assert rows(frozen) == before


@pytest.mark.parametrize("name", MADE_ANEW)
def test_an_upgrade_that_fails_at_a_table_is_undone(older: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_at(older, name, monkeypatch)


def test_an_upgrade_that_fails_at_the_events_is_undone(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails_at(frozen, "events", monkeypatch)


def fails_at(frozen: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, there = rows(frozen), objects(frozen)
    rename = op.rename_table

    def fails(old: str, new: str) -> None:
        # The one that is to be replaced is gone already.
        if new == name:
            raise OSError("the disk has gone")
        rename(old, new)

    monkeypatch.setattr(op, "rename_table", fails)
    with pytest.raises(OSError, match="the disk has gone"):
        open_database(frozen, create=True)
    assert (rows(frozen), objects(frozen)) == (before, there)
    monkeypatch.undo()
    open_database(frozen, create=True).close()
    old = before["prompts"]
    assert [{column: row[column] for column in old[0]} for row in rows(frozen)["prompts"]] == old


def test_an_upgrade_on_a_full_disk_is_undone(frozen: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(frozen)) as connection:
        connection.execute("UPDATE actions SET stdout = ? WHERE id <= 2", ("x" * 600_000,))
        connection.execute("INSERT INTO events (at, kind, data) VALUES (1, 'x', ?)", (f'{{"a":"{"x" * 900_000}"}}',))
        connection.commit()
    before = rows(frozen)
    with mounted(tmp_path, megabytes=3) as disk:
        path = Path(shutil.copy(frozen, disk))
        with pytest.raises(Problem, match="the disk is full"):
            open_database(path, create=True)
        assert rows(path) == before
        elsewhere = Path(shutil.copy(path, tmp_path / "elsewhere.db"))
    open_database(elsewhere, create=True).close()
    added = {"diff": "", "diff_digest": None, "diff_size": 0, "step": None, "part": 0}
    assert rows(elsewhere)["actions"] == [row | added for row in before["actions"]]


def test_an_upgrade_refuses_a_table_that_it_does_not_know(older: Path) -> None:
    changed_by_hand(older, "prompts")


def test_an_upgrade_refuses_an_event_log_that_it_does_not_know(frozen: Path) -> None:
    changed_by_hand(frozen, "events")


def changed_by_hand(frozen: Path, name: str) -> None:
    with closing(sqlite3.connect(frozen)) as connection:
        connection.execute(f"ALTER TABLE {name} ADD COLUMN mine TEXT")
        connection.commit()
    before = rows(frozen)
    with pytest.raises(RuntimeError, match=f"the table {name} has other columns than it was made with"):
        open_database(frozen, create=True)
    assert rows(frozen) == before


def test_a_table_with_autoincrement_keeps_its_sequence(older: Path) -> None:
    with closing(sqlite3.connect(older)) as connection:
        (made,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'prompts'").fetchone()
        indexes = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'prompts'")
        counts = re.sub(r"\bid INTEGER NOT NULL", "id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL", made, count=1)
        counts = re.sub(r"PRIMARY KEY \(id\),\s*", "", counts)
        connection.executescript(f"""
            ALTER TABLE prompts RENAME TO before;
            {counts};
            INSERT INTO prompts SELECT * FROM before;
            DROP TABLE before;
            UPDATE sqlite_sequence SET seq = 700 WHERE name = 'prompts';
            {"; ".join(sql for (sql,) in indexes.fetchall())};
        """)
    with closing(open_database(older, create=True)) as db, db.write() as tx:
        assert schema(tx.connection) == expected_schema()
        assert ask(tx, begun_iteration(tx, "new")) == 701


def test_an_upgrade_reports_progress(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "STEPS", 100)
    progress: list[str] = []
    backup.back_up(frozen, branches=branches(), progress=lambda: progress.append("copying"))
    opened = open_database(frozen, create=True, progress=lambda: progress.append("changing"))
    assert progress[0] == "copying"
    assert progress.count("changing") > 10
    # Statements after the migration report no progress.
    progress.clear()
    with opened.read() as tx:
        tx.connection.execute(text("SELECT count(*) FROM events a, events b")).scalar_one()
    assert progress == []
    opened.close()
