"""Which schema a database has, compared with the branches of the program."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.store import backup, schema_version
from ftl2_enterprise.store.branches import STORE, Branch, Branches
from ftl2_enterprise.store.schema_version import Schema
from ftl2_enterprise.wiring import migrations
from ftl2_enterprise.wiring.database import open_database

HISTORY = Branch(STORE, ("0001", "0002", "0003", "0004"))
LOOPS = Branch("loops.migrations", ("loops_0001", "loops_0002"))
NOTES = Branch("notes.migrations", ("notes_0001",))
NONE = Branch("empty.migrations", ())
LATER = Branch(STORE, (*HISTORY.revisions, "0005"))


@pytest.mark.parametrize(
    ("branches", "heads"),
    [
        (Branches(HISTORY), {"0004"}),
        (Branches(HISTORY, (NONE,)), {"0004"}),
        (Branches(HISTORY, (LOOPS,)), {"loops_0002"}),
        (Branches(HISTORY, (LOOPS, NONE, NOTES)), {"loops_0002", "notes_0001"}),
        (Branches(LATER), {"0005"}),
        (Branches(LATER, (LOOPS, NOTES)), {"0005", "loops_0002", "notes_0001"}),
    ],
)
def test_the_heads_are_the_ends_of_the_branches(branches: Branches, heads: set[str]) -> None:
    assert branches.heads == heads


BOTH = Branches(LATER, (LOOPS, NOTES))


@pytest.mark.parametrize(
    ("found", "schema"),
    [
        (None, Schema.EMPTY),
        ({"0001"}, Schema.OLDER),
        ({"0004"}, Schema.OLDER),
        ({"0005"}, Schema.OLDER),
        ({"loops_0002"}, Schema.OLDER),
        ({"loops_0002", "notes_0001"}, Schema.OLDER),
        ({"0005", "loops_0001", "notes_0001"}, Schema.OLDER),
        ({"0005", "loops_0002"}, Schema.OLDER),
        ({"0005", "loops_0002", "notes_0001"}, Schema.CURRENT),
    ],
)
def test_a_database_is_older_when_any_branch_is(found: set[str] | None, schema: Schema) -> None:
    assert schema_version.judge(found, BOTH, Path("loops.db")) is schema


@pytest.mark.parametrize(
    ("found", "unknown"),
    [
        ({"0006", "loops_0002", "notes_0001"}, "0006"),
        ({"0005", "loops_0003", "notes_0001"}, "loops_0003"),
        ({"loops_0003", "notes_0002"}, r"loops_0003\+notes_0002"),
        # Of a newer program with one more capability.
        ({"0006", "loops_0002", "places_0001"}, r"0006\+places_0001"),
    ],
)
def test_a_database_is_newer_when_any_branch_is(found: set[str], unknown: str) -> None:
    with pytest.raises(Problem, match=f"its schema {unknown} is newer than this program") as refused:
        schema_version.judge(found, BOTH, Path("loops.db"))
    assert refused.value.code is Code.INVALID


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"0005", "loops_0002", "places_0001"}, r"the capability places \(places_0001\), which"),
        # While another branch is older.
        ({"loops_0001", "places_0001"}, r"the capability places \(places_0001\), which"),
        (
            {"0005", "people_0003", "places_0001"},
            r"the capability people, places \(people_0003\+places_0001\), which",
        ),
    ],
)
def test_tables_of_a_capability_that_the_program_does_not_have_are_named(found: set[str], message: str) -> None:
    with pytest.raises(Problem, match=message) as refused:
        schema_version.judge(found, BOTH, Path("loops.db"))
    assert refused.value.code is Code.INVALID
    assert "how a capability is retired" in (refused.value.hint or "")


DAMAGE = {
    "no row": (("DELETE FROM alembic_version",), "it lists no revision"),
    "two ends of a branch": (
        ("INSERT INTO alembic_version VALUES ('loops_9998')", "INSERT INTO alembic_version VALUES ('loops_9999')"),
        "it lists both loops_[0-9]{4} and loops_999[89]",
    ),
    "a shared revision and one after it": (
        (
            "DELETE FROM alembic_version",
            "INSERT INTO alembic_version VALUES ('0004')",
            "INSERT INTO alembic_version VALUES ('loops_0001')",
        ),
        "it lists both 0004 and loops_0001",
    ),
    "no revision": (("UPDATE alembic_version SET version_num = 'head' WHERE rowid = 1",), "'head' is not a revision"),
    "a number": (("UPDATE alembic_version SET version_num = 5 WHERE rowid = 1",), "'5' is not a revision"),
    "bytes": (
        ("UPDATE alembic_version SET version_num = x'00ff' WHERE rowid = 1",), r"b'\\x00\\xff' is not a revision"
    ),
    "no value": (
        ("DROP TABLE alembic_version", "CREATE TABLE alembic_version (version_num)",
         "INSERT INTO alembic_version VALUES (NULL)"),
        "None is not a revision",
    ),
    "another column": (
        ("DROP TABLE alembic_version", "CREATE TABLE alembic_version (version INTEGER)"),
        "its table alembic_version has another form",
    ),
    "no table": (("DROP TABLE alembic_version",), "it has no table alembic_version"),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "why"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_list_of_revisions_is_refused_and_nothing_changes(
    path: Path, statements: tuple[str, ...], why: str
) -> None:
    open_database(path, create=True).close()
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    before = path.read_bytes()
    branches = migrations.branches()
    assert not migrations.is_current(path)
    for attempt in (
        lambda: open_database(path, create=False),
        lambda: open_database(path, create=True),
        lambda: backup.back_up(path, branches=branches),
        lambda: backup.rehearse(path, branches=branches),
    ):
        with pytest.raises(Problem, match=f"it is damaged: .*{why}") as refused:
            attempt()
        assert (refused.value.code, "from a backup" in str(refused.value)) == (Code.INVALID, True)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir() if not one.name.endswith(("-wal", "-shm"))] == [path.name]
