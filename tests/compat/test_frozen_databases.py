"""Databases that earlier versions have made are brought up to date with every row in them."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops import store
from ftl2_enterprise.protocol.loops import Desired, LoopState
from ftl2_enterprise.store import version
from ftl2_enterprise.store.engine import open_store
from tests.support.database import spec

FROZEN = sorted((Path(__file__).parent / "data").glob("loops-*.db.gz"))

type Rows = dict[str, list[dict[str, object]]]


@pytest.fixture(params=FROZEN, ids=lambda path: path.name.removesuffix(".db.gz"))
def frozen(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "loops.db"
    path.write_bytes(gzip.decompress(request.param.read_bytes()))
    return path


def rows(path: Path) -> Rows:
    """Every row of every table, by column name, and which ids were given."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    names = [
        row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    found = {
        name: [dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY 1")]
        for name in names
        if name != "alembic_version"
    }
    connection.close()
    return found


def objects(path: Path) -> set[tuple[str, str]]:
    connection = sqlite3.connect(path)
    found = set(connection.execute("SELECT type, name FROM sqlite_master"))
    connection.close()
    return found


def test_each_schema_that_was_released_is_frozen() -> None:
    frozen = {path.name.split("-")[1].split(".")[0] for path in FROZEN}
    assert frozen >= set(version.REVISIONS[:-1])


def test_an_upgrade_keeps_every_row_index_and_trigger(frozen: Path) -> None:
    before, there = rows(frozen), objects(frozen)
    assert len(before["loops"]) >= 7
    assert all(before[name] for name in ("iterations", "actions", "prompts", "events", "texts", "model_calls"))
    with pytest.raises(Problem, match="older than this program"):
        open_store(frozen, create=False)
    open_store(frozen, create=True).close()
    after = rows(frozen)
    for name, many in before.items():
        kept = [{column: row[column] for column in old} for old, row in zip(many, after[name], strict=True)]
        assert kept == many, name
    assert there <= objects(frozen)


def test_an_upgraded_database_is_whole_and_goes_on(frozen: Path) -> None:
    given = {row["name"]: row["seq"] for row in rows(frozen)["sqlite_sequence"]}
    with closing(open_store(frozen, create=True)) as db, db.write() as tx:
        assert tx.connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert tx.connection.execute(text("PRAGMA foreign_key_check")).all() == []
        assert tx.connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        loop = store.get_loop(tx, "paused")
        assert (loop.state, loop.desired, loop.managed, loop.crashes) == (
            LoopState.PAUSED, Desired.PAUSE, False, 0,
        )  # fmt: skip
        # Ids of loops that are gone are not given again.
        assert store.create_loop(tx, spec("new")).id == given["loops"] + 1


def test_an_upgrade_that_would_lose_a_row_is_undone(frozen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(frozen)
    migrate = version.migrate

    def loses(connection: object) -> None:
        migrate(connection)  # type: ignore[arg-type]
        connection.execute(text("DELETE FROM loops WHERE name = 'asks'"))  # type: ignore[attr-defined]

    monkeypatch.setattr(version, "migrate", loses)
    with pytest.raises(RuntimeError, match="refer to rows that do not exist"):
        open_store(frozen, create=True)
    assert rows(frozen) == before
