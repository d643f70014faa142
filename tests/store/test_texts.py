"""Long texts are stored once, shared by every row that refers to them, and removed with the last reference."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, Text, exc, text

from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.rows import actions as action_rows, loop_deletion, loops as loop_rows
from ftl2_enterprise.loops.tables import TEXT_REFERRERS
from ftl2_enterprise.protocol.text import StoredText
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.schema import metadata
from ftl2_enterprise.store.texts import TextReferrer
from tests.support.data.database import begun_iteration, propose

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

LONG = "a line of output\n" * 1_000

notes = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("body_digest", Text))
"""The table of another capability, which no migration of this program makes."""


@pytest.fixture
def noted(db: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A database with the second table, whose texts are registered for the length of the test."""
    with db.write() as tx:
        tx.connection.execute(
            text("CREATE TABLE notes (id INTEGER PRIMARY KEY, body_digest TEXT REFERENCES texts (digest))")
        )
    monkeypatch.setattr(texts, "_referrers", dict(texts._referrers))
    texts.register(TextReferrer(notes, ("body",)))
    return db


def loop_with_output(tx: Tx, name: str, output: str) -> int:
    iteration = begun_iteration(tx, name)
    action = propose(tx, iteration)
    action_rows.move_action(tx, action, ActionEvent.STARTED)
    action_rows.move_action(tx, action, ActionEvent.SUCCEEDED, changed=True, stdout=output)
    return iteration.loop_id


def digests(tx: Tx) -> set[str]:
    return set(tx.connection.execute(text("SELECT digest FROM texts")).scalars())


@pytest.mark.parametrize("size", [0, 1, 4095, 4096])
def test_a_short_text_is_stored_in_its_row(db: Store, size: int) -> None:
    with db.write() as tx:
        stored = texts.put(tx, "é" * size)
        assert stored == StoredText(shown="é" * size, digest=None, size=size)
        assert texts.whole(tx, stored) == "é" * size
        assert tx.connection.execute(text("SELECT count(*) FROM texts")).scalar() == 0


def test_a_long_text_is_stored_whole_once(db: Store) -> None:
    long = "".join(f"line {n} é\n" for n in range(500_000))
    with db.write() as tx:
        first, second = texts.put(tx, long), texts.put(tx, long)
        other = texts.put(tx, long + "!")
    assert first == second != other
    assert first.size == len(long)
    assert len(first.shown) < 4200
    assert first.shown.startswith("line 0 é\nline 1")
    assert first.shown.endswith("line 499999 é\n")
    assert f"... {len(long) - 4096:,} of {len(long):,} characters left out ..." in first.shown
    with db.read() as tx:
        assert texts.whole(tx, first) == long
        assert texts.whole(tx, other) == long + "!"
        rows = tx.connection.execute(text("SELECT digest, size, length(body) FROM texts")).all()
    assert {(row[0], row[1]) for row in rows} == {(first.digest, len(long)), (other.digest, len(long) + 1)}
    assert all(row[2] < len(long) / 2 for row in rows)


@settings(max_examples=60)
@given(st.text(min_size=0, max_size=90), st.integers(8, 60))
def test_any_text_with_any_limit_is_read_back(db: Store, words: str, limit: int) -> None:
    with db.write() as tx:
        stored = texts.put(tx, words, limit)
        assert stored.size == len(words)
        assert texts.whole(tx, stored) == words
        assert (stored.digest is not None) == (len(words) > limit)


def test_a_text_stays_while_a_row_of_another_table_refers_to_it(noted: Store) -> None:
    with noted.write() as tx:
        loop_id = loop_with_output(tx, "web", LONG)
        shared = texts.put(tx, LONG)
        tx.connection.execute(notes.insert(), {"body_digest": shared.digest})
    with noted.write() as tx:
        loop_deletion.delete_loop(tx, loop_id)
    with noted.write() as tx:
        assert loop_rows.list_loops(tx, finished=True) == []
        assert texts.whole(tx, shared) == LONG
        tx.connection.execute(notes.delete())
        assert texts.collect(tx, [shared.digest]) == 1
        assert digests(tx) == set()


def test_a_text_is_removed_with_the_last_loop_that_refers_to_it(db: Store) -> None:
    with db.write() as tx:
        first, second = loop_with_output(tx, "web", LONG), loop_with_output(tx, "mail", LONG)
        kept = loop_with_output(tx, "dns", LONG + "!")
        shared, other = texts.put(tx, LONG), texts.put(tx, LONG + "!")
    with db.write() as tx:
        loop_deletion.delete_loop(tx, first)
        assert digests(tx) == {shared.digest, other.digest}
        loop_deletion.delete_loop(tx, second)
        assert digests(tx) == {other.digest}
        loop_deletion.delete_loop(tx, kept)
        assert digests(tx) == set()


def test_a_text_whose_referrer_is_not_registered_is_not_lost(noted: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_referrers", {})
    with noted.write() as tx:
        stored = texts.put(tx, LONG)
        tx.connection.execute(notes.insert(), {"body_digest": stored.digest})
    with pytest.raises(exc.IntegrityError), noted.write() as tx:
        texts.collect(tx, [stored.digest])
    with noted.read() as tx:
        assert texts.whole(tx, stored) == LONG


def test_the_writer_knows_every_table_that_refers_to_a_text(db: Store) -> None:
    """The only process of the service that deletes: what it imports is what the forkserver imports."""
    program = (
        "from ftl2_enterprise.wiring import processes; processes.kinds();"
        "from ftl2_enterprise.store import texts, unit;"
        "print(*(f'{one.table.name}.{name}_digest' for one in texts.referrers() for name in one.names));"
        "print(*unit.UNITS)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    registered, units = (line.split() for line in done.stdout.splitlines())
    with db.read() as tx:
        query = text(
            "SELECT m.name || '.' || f.\"from\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f "
            "WHERE m.type = 'table' AND f.\"table\" = 'texts'"
        )
        assert sorted(registered) == sorted(tx.connection.execute(query).scalars())
    assert "loops.handlers.loops.delete_loop" in units
    assert any(name.startswith("loops.retention.") for name in units)


def test_collecting_nothing_executes_no_query(db: Store) -> None:
    asked: list[str] = []
    with db.write() as tx:
        tx.raw.set_trace_callback(asked.append)
        assert texts.collect(tx, []) == 0
        assert texts.collect(tx, [None]) == 0
        tx.raw.set_trace_callback(None)
    assert asked == []


def test_a_referrer_is_registered_once_and_names_columns_that_exist() -> None:
    before = texts.referrers()
    texts.register(*TEXT_REFERRERS)
    assert texts.referrers() == before
    with pytest.raises(ValueError, match=r"cannot register the text notes\.title: there is no column title_digest"):
        texts.register(TextReferrer(notes, ("title",)))
    assert texts.referrers() == before


def test_every_column_that_refers_to_a_text_is_registered() -> None:
    referring = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        for key in column.foreign_keys
        if key.column is texts.texts.c.digest
    }
    registered = [
        (referrer.table.name, f"{name}_digest") for referrer in texts.referrers() for name in referrer.names
    ]
    assert sorted(registered) == sorted(referring)
