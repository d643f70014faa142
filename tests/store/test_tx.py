"""Transactions: all or nothing, a single time, listeners after the commit."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.faults import VARIABLE, InjectedFault
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.fact import kind_of
from ftl2_enterprise.protocol.loops.facts import LoopPaused, LoopStarted
from ftl2_enterprise.store import events
from tests.support.data.database import loop_names, spec
from tests.support.data.facts import Noted, NotedAgain

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.store.database import Store


def test_a_transaction_is_committed_whole_or_not_at_all(db: Store) -> None:
    with pytest.raises(ZeroDivisionError), db.write() as tx:  # noqa: PT012
        loop_rows.create_loop(tx, spec())
        raise ZeroDivisionError
    assert loop_names(db) == set()
    with db.read() as tx:
        assert events.list_events(tx) == []


def test_time_is_constant_within_a_transaction(db: Store) -> None:
    with db.write() as tx:
        first, second = loop_rows.create_loop(tx, spec("a")), loop_rows.create_loop(tx, spec("b"))
    assert first.created_at == second.created_at == tx.now
    with db.write() as later:
        assert later.now > tx.now


def test_a_reader_sees_a_consistent_snapshot(db: Store) -> None:
    with db.read() as tx:
        assert loop_rows.list_loops(tx, finished=True) == []
        with db.write() as other:
            loop_rows.create_loop(other, spec())
        assert loop_rows.list_loops(tx, finished=True) == []
    assert loop_names(db) == {"web"}


def test_a_reading_transaction_records_no_fact(db: Store) -> None:
    with db.read() as tx, pytest.raises(RuntimeError, match="cannot record"):
        tx.emit(Noted(), subject="")


def test_listeners_get_committed_facts_in_order(db: Store, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def fails(fact: Event) -> None:
        raise RuntimeError(fact.kind)

    db.listen(fails)
    remove = db.listen(heard.append)
    with caplog.at_level(logging.ERROR), db.write() as tx:
        tx.emit(LoopPaused(outcome=None, reason=None), subject="loop:1")
        tx.emit(LoopStarted(run=2, resumed=False, max_iterations=10), subject="loop:1")
        assert heard == []
    assert [fact.kind for fact in heard] == ["loop.paused", "loop.started"]
    assert [record.getMessage() for record in caplog.records] == [
        "a listener failed on loop.paused",
        "a listener failed on loop.started",
    ]
    with db.read() as reading:
        assert events.list_events(reading) == heard
    with pytest.raises(ZeroDivisionError), db.write() as tx:  # noqa: PT012
        tx.emit(Noted(), subject="loop:1")
        raise ZeroDivisionError
    remove()
    with db.write() as tx:
        tx.emit(Noted(), subject="loop:1")
    assert [fact.kind for fact in heard] == ["loop.paused", "loop.started"]


def test_a_listener_may_use_the_store(db: Store) -> None:
    def answer(fact: Event) -> None:
        if fact.kind == kind_of(Noted):
            with db.write() as tx:
                tx.emit(NotedAgain(), subject="")

    db.listen(answer)
    with db.write() as tx:
        tx.emit(Noted(), subject="")
    with db.read() as reading:
        assert [fact.kind for fact in events.list_events(reading)] == ["test.noted", "test.noted_again"]


@pytest.mark.parametrize(("point", "kept"), [("before-commit", set()), ("after-commit", {"web"})])
def test_a_failure_around_the_commit_is_all_or_nothing(
    db: Store, monkeypatch: pytest.MonkeyPatch, point: str, kept: set[str]
) -> None:
    heard: list[Event] = []
    db.listen(heard.append)
    monkeypatch.setattr("ftl2_enterprise.core.faults._reached", Counter())
    monkeypatch.setenv(VARIABLE, f"{point}=raise")
    with pytest.raises(InjectedFault), db.write() as tx:
        loop_rows.create_loop(tx, spec())
    assert heard == []
    monkeypatch.delenv(VARIABLE)
    assert loop_names(db) == kept


@pytest.mark.parametrize(("point", "kept"), [("before-commit", set()), ("after-commit", {"web"})])
def test_a_kill_around_the_commit_is_all_or_nothing(db: Store, path: Path, point: str, kept: set[str]) -> None:
    program = (
        "import sys, pathlib\nfrom ftl2_enterprise.wiring.database import open_database\n"
        "from ftl2_enterprise.loops.rows import loops\nfrom ftl2_enterprise.protocol.loops.nouns import LoopSpec\n"
        "with open_database(pathlib.Path(sys.argv[1]), create=False).write() as tx:\n"
        "    loops.create_loop(tx, LoopSpec(name='web', desired_state='x'))"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, str(path)], env={**os.environ, VARIABLE: f"{point}=kill"}, check=False
    )
    assert process.returncode == -signal.SIGKILL
    assert loop_names(db) == kept
