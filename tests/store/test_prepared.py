"""A prepared statement does what SQLAlchemy does with it: the same SQL, values, rows and errors."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from sqlalchemy import (
    REAL,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    exc,
    insert,
    select,
    update as updating,
)

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.store.columns import Flag, Json, Word, Words
from ftl2_enterprise.store.prepared import Prepared
from tests.store.test_values import ANY_TEXT, ANYTHING

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx

KINDS = Table(
    "kinds",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("words", Words),
    Column("plain", Text),
    Column("json", Json(dict[str, Any])),
    Column("struct", Json(Decision)),
    Column("flag", Flag),
    Column("word", Word(LoopState), unique=True),
    Column("number", Integer),
    Column("real", REAL),
    Column("body", LargeBinary),
)
C = KINDS.c
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "words": st.none() | ANY_TEXT,
    "plain": st.none() | st.text(max_size=9),
    "json": st.none() | st.dictionaries(st.text(max_size=4), ANYTHING, max_size=3),
    "struct": st.none() | st.builds(Decision, reasoning=ANY_TEXT, converged=st.booleans()),
    "flag": st.none() | st.booleans(),
    "word": st.none() | st.sampled_from(LoopState) | st.sampled_from([state.value for state in LoopState]),
    "number": st.none() | st.integers(-(2**63), 2**63 - 1),
    "real": st.none() | st.floats(allow_nan=False) | st.integers(-(2**31), 2**31),
    "body": st.none() | st.binary(max_size=9),
}
ROW = st.fixed_dictionaries({}, optional=VALUES).filter(bool)

INSERT = insert(KINDS)
UPDATE = updating(KINDS).where(C.id == bindparam("row_id"))
BY_ID = select(KINDS).where(C.id == bindparam("row_id"))


@pytest.fixture
def tx(db: Store):
    with db.write() as tx:
        KINDS.create(tx.connection)
        yield tx


def test_every_kind_of_column_is_tried() -> None:
    tried = {type(column.type) for column in KINDS.c}
    assert tried == {Integer, Words, Text, Json, Flag, Word, REAL, LargeBinary}


@given(row=ROW, later=ROW)
def test_rows_are_written_and_read_alike(tx: Tx, row: dict[str, Any], later: dict[str, Any]) -> None:
    tx.raw.execute("DELETE FROM kinds")
    inserted = tx.connection.execute(INSERT, row)
    first = inserted.lastrowid
    stored = _raw(tx, first)
    expected = tuple(tx.connection.execute(BY_ID, {"row_id": first}).one())
    tx.raw.execute("DELETE FROM kinds")

    made = Prepared(INSERT).insert(tx, row)
    assert _raw(tx, made)[1:] == stored[1:]
    assert Prepared(BY_ID).rows(tx, {"row_id": made}) == [(made, *expected[1:])]

    assert tx.connection.execute(UPDATE, {"row_id": made, **later}).rowcount == 1
    stored = _raw(tx, made)
    tx.raw.execute("DELETE FROM kinds")
    made = Prepared(INSERT).insert(tx, row)
    assert Prepared(UPDATE).change(tx, {"row_id": made, **later}) == 1
    assert _raw(tx, made)[1:] == stored[1:]


def _raw(tx: Tx, row_id: int) -> tuple[Any, ...]:
    return tx.raw.execute("SELECT * FROM kinds WHERE id = ?", (row_id,)).fetchone()


STATEMENTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "insert": (INSERT, {"words": "a", "flag": True}),
    "update": (UPDATE.values(word=LoopState.RUNNING), {"row_id": 1, "number": 3}),
    "sum": (updating(KINDS).values(number=C.number + bindparam("by")), {"by": 2, "plain": "x"}),
    "delete": (delete(KINDS).where(C.word == LoopState.PAUSED, C.flag == bindparam("given")), {"given": False}),
    "limit": (select(C.id, C.word).where(C.word == bindparam("is")).order_by(C.id).limit(3), {"is": "failed"}),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_driver_gets_the_same(tx: Tx, name: str) -> None:
    statement, values = STATEMENTS[name]
    statements: list[str] = []
    tx.raw.set_trace_callback(statements.append)
    tx.connection.execute(statement, values)
    prepared = Prepared(statement)
    (prepared.rows if name == "limit" else prepared.change)(tx, values)
    tx.raw.set_trace_callback(None)
    assert statements[0] == statements[1]
    assert statements[0].count("?") == 0


def test_prepared_reads_return_the_rows(tx: Tx) -> None:
    Prepared(INSERT).insert(tx, {"word": LoopState.FAILED})
    words = Prepared(select(C.word, C.id).where(C.id >= bindparam("since")).order_by(C.id))
    assert words.rows(tx, {"since": 1}) == [(LoopState.FAILED, 1)]
    assert words.first(tx, {"since": 1}) == (LoopState.FAILED, 1)
    assert words.scalar(tx, {"since": 1}) is LoopState.FAILED
    assert words.rows(tx, {"since": 2}) == []
    assert words.first(tx, {"since": 2}) is None
    assert words.scalar(tx, {"since": 2}) is None
    assert Prepared(delete(KINDS).where(C.id == bindparam("one"))).change(tx, {"one": 9}) == 0


def test_values_may_come_in_any_order(tx: Tx) -> None:
    change = Prepared(UPDATE)
    row = Prepared(INSERT).insert(tx, {"words": "a"})
    for values in ({"row_id": row, "words": "b", "plain": "c"}, {"plain": "c", "words": "b", "row_id": row}):
        assert change.change(tx, values) == 1
        assert _raw(tx, row)[1:3] == ("b", "c")


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (BY_ID, {}),
        (BY_ID, {"row_id": 1, "row": 2}),
        (UPDATE, {"row_id": 1, "colour": "red"}),
        (UPDATE, {"words": ""}),
    ],
)
def test_a_wrong_number_of_values_is_refused(tx: Tx, statement: Any, values: dict[str, Any]) -> None:
    with pytest.raises((TypeError, exc.CompileError)):
        Prepared(statement).change(tx, values)


def test_a_list_is_refused(tx: Tx) -> None:
    with pytest.raises(TypeError, match="a list"):
        Prepared(select(C.id).where(C.id.in_([1, 2]))).rows(tx, {})


def test_a_constraint_fails_alike(tx: Tx) -> None:
    row = {"word": LoopState.FAILED}
    Prepared(INSERT).insert(tx, row)
    with pytest.raises(exc.IntegrityError) as expected:
        tx.connection.execute(INSERT, row)
    with pytest.raises(exc.IntegrityError) as caught:
        Prepared(INSERT).insert(tx, row)
    assert str(caught.value) == str(expected.value)
    assert isinstance(caught.value.orig, sqlite3.IntegrityError)


def test_a_read_only_database_is_reported_as_unavailable(db: Store) -> None:
    with db.write() as tx:
        KINDS.create(tx.connection)
    with db.read() as tx:
        held = tx.raw
        held.execute("PRAGMA query_only = ON")
    with pytest.raises(Problem) as caught, db.write() as tx:
        Prepared(INSERT).insert(tx, {"words": "a"})
    assert caught.value.code is Code.UNAVAILABLE
    with db.write() as tx:
        assert tx.raw is not held, "the connection is used no more"
        assert Prepared(INSERT).insert(tx, {"words": "a"}) == 1


def test_reading_fails_alike(tx: Tx) -> None:
    broken = Prepared(select(C.words).where(C.id == bindparam("row_id")))
    tx.raw.execute("DROP TABLE kinds")
    with pytest.raises(exc.OperationalError, match="no such table"):
        broken.rows(tx, {"row_id": 1})


def test_the_dialect_is_that_of_the_store(tx: Tx) -> None:
    assert type(tx.driver.dialect) is type(tx.connection.dialect)
    assert tx.driver.dialect.paramstyle == tx.connection.dialect.paramstyle
