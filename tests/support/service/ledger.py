"""Units whose effects can be counted: each entry is a fact with its author and a number of that author."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import text

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.protocol.fact import Fact, declare, kind_of
from ftl2_enterprise.protocol.subject import SERVICE
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit
from tests.support.data.facts import Awakening

if TYPE_CHECKING:
    from pathlib import Path


class LedgerEntry(Fact, frozen=True, tag="ledger.entry"):
    """Who has written it, and which of theirs it is."""

    who: str
    n: int


(ENTRY,) = map(kind_of, declare(LedgerEntry))


@unit
def enter(tx: Tx, who: str, n: int) -> int:
    return tx.emit(LedgerEntry(who=who, n=n), subject=SERVICE).id


@unit
def enter_much(tx: Tx, who: str, n: int, much: str) -> int:
    """With a text of any length."""
    texts.put(tx, much)
    return tx.emit(LedgerEntry(who=who, n=n), subject=SERVICE).id


@unit
def enter_waking(tx: Tx) -> None:
    """A fact that wakes managers."""
    tx.emit(Awakening(), subject=SERVICE)


@unit
def refuse(tx: Tx, who: str) -> None:
    """A refusal, after something was written."""
    tx.emit(LedgerEntry(who=who, n=-1), subject=SERVICE)
    raise conflict(f"cannot serve {who}", "ask another service")


@unit
def stumble(tx: Tx, who: str) -> None:
    """A defect, after something was written."""
    tx.emit(LedgerEntry(who=who, n=-1), subject=SERVICE)
    raise ZeroDivisionError(f"the secret of {who}")


@unit
def break_a_rule(tx: Tx, who: str) -> None:
    """A constraint of the database, after something was written."""
    tx.emit(LedgerEntry(who=who, n=-1), subject=SERVICE)
    tx.connection.execute(text("INSERT INTO events (at, kind, subject, data) VALUES (NULL, 'x', '', '{}')"))


class Entries:
    """What an independent reader finds in the file: plain SQLite, nothing of the product."""

    def __init__(self, path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            rows = connection.execute(
                "SELECT data, actor FROM events WHERE kind = ? ORDER BY id", (ENTRY,)
            ).fetchall()
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        finally:
            connection.close()
        found: list[dict[str, Any]] = [msgspec.json.decode(data) for data, _ in rows]
        self.of: Counter[tuple[str, int]] = Counter((one["who"], one["n"]) for one in found)
        self.actors: set[str | None] = {actor for _, actor in rows}


class Worker(threading.Thread):
    """A client that enters one thing after the other, and remembers what was acknowledged."""

    def __init__(self, writer: Any, who: str, count: int) -> None:
        super().__init__(daemon=True)
        self._writer = writer
        self._who = who
        self._count = count
        self.acknowledged: list[tuple[str, int]] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for n in range(self._count):
                self._writer.execute([enter.call(self._who, n)])
                self.acknowledged.append((self._who, n))
        except BaseException as error:
            self.failure = error
