"""Migrations: one branch for each capability, found by folder, and judged without loading Alembic."""

from __future__ import annotations

import gzip
import importlib
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

import ftl2_enterprise
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.store import backup, schema_version
from ftl2_enterprise.store.branches import ROOT, STORE, Branches, find_branches, name_of, versions_of
from ftl2_enterprise.store.database import open_store
from ftl2_enterprise.wiring import capabilities, migrations
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.schemas import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ftl2_enterprise.store.database import Store

FROZEN = sorted((Path(__file__).parents[1] / "compat" / "data").glob("loops-*.db.gz"))


def revision_file(name: str, revision: str, down: str, *statements: str) -> str:
    body = "\n".join(f"    op.execute({statement!r})" for statement in statements)
    return textwrap.dedent(f'''\
        """{name}."""

        from alembic import op

        revision = "{revision}"
        down_revision = "{down}"


        def upgrade():
        ''') + (body or "    pass")


class Packages:
    """Temporary packages of migrations, one for each capability."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, number: str, down: str, *statements: str) -> str:
        """A revision of the capability with that name; returns its package."""
        versions = self.folder / name / "migrations" / "versions"
        if not versions.exists():
            versions.mkdir(parents=True)
            for folder in (versions, versions.parent, versions.parent.parent):
                (folder / "__init__.py").touch()
            importlib.invalidate_caches()
        revision = f"{name}_{number}"
        (versions / f"{number}_change.py").write_text(revision_file(name, revision, down, *statements))
        return f"{name}.migrations"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield Packages(folder)
    for name in [name for name in sys.modules if {"notes", "places"} & set(name.split(".")[:2])]:
        del sys.modules[name]


def scripts(branches: Branches) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", "ftl2_enterprise.store:migrations")
    config.set_main_option("path_separator", "space")
    config.set_main_option("version_locations", " ".join(versions_of(branch) for branch in branches.every))
    return ScriptDirectory.from_config(config)


def applied(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")}


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


# --- which revisions there are --------------------------------------------------------------------------------------


def test_the_files_of_this_program_are_what_alembic_finds(db: Store) -> None:
    branches = migrations.branches()
    found = scripts(branches)
    assert {script.revision for script in found.walk_revisions()} == branches.known
    assert set(found.get_heads()) == branches.heads
    assert found.get_bases() == [branches.store.revisions[0]]
    for branch in branches.every:
        lines = [*branch.revisions]
        # Each has one revision before it: the previous one of its branch, or what all branches share.
        before = [None if branch.package == STORE else ROOT, *lines[:-1]]
        assert [found.get_revision(revision).down_revision for revision in lines] == before[: len(lines)]
    assert applied(db.path) == branches.heads


def test_every_folder_with_migrations_belongs_to_a_capability() -> None:
    program = Path(ftl2_enterprise.__path__[0])
    folders = {f"ftl2_enterprise.{path.parent.name}.migrations" for path in program.glob("*/migrations")}
    assert folders == {STORE, *migrations.packages()}
    assert "ftl2_enterprise.loops.migrations" in folders


def test_a_capability_is_found_by_its_folder(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    packages.add("notes", "0001", ROOT)
    (packages.folder / "places").mkdir()
    (packages.folder / "places" / "__init__.py").touch()
    before = migrations.packages()
    monkeypatch.setattr(ftl2_enterprise, "__path__", [*ftl2_enterprise.__path__, str(packages.folder)])
    monkeypatch.setattr(capabilities, "NAMES", (*capabilities.NAMES, "notes", "places"))
    assert migrations.packages() == [*before, "ftl2_enterprise.notes.migrations"]
    found = find_branches(migrations.packages())
    assert "notes_0001" in found.heads
    assert {script.revision for script in scripts(found).walk_revisions()} == found.known
    for name in [
        name for name in sys.modules if name.startswith(("ftl2_enterprise.notes", "ftl2_enterprise.places"))
    ]:
        del sys.modules[name]


def test_the_start_of_the_service_loads_neither_alembic_nor_sqlalchemy(db: Store) -> None:
    code = (
        "import sys, pathlib; from ftl2_enterprise.wiring import migrations;"
        "print(migrations.is_current(pathlib.Path(sys.argv[1])));"
        "print(sorted({'alembic', 'sqlalchemy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(db.path)], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n[]\n"


# --- migrating ------------------------------------------------------------------------------------------------------


def test_a_second_branch_is_migrated_with_the_first(packages: Packages, path: Path) -> None:
    alone = find_branches(migrations.packages())
    open_store(path, branches=alone, create=True).close()
    names = [*migrations.packages(), packages.add("notes", "0001", ROOT, "CREATE TABLE notes (id INTEGER)")]
    both = find_branches(names)
    assert not schema_version.is_current(path, both)
    with pytest.raises(Problem, match="older than this program"):
        open_store(path, branches=both, create=False)
    open_store(path, branches=both, create=True).close()
    assert schema_version.is_current(path, both)
    assert applied(path) == both.heads == (alone.heads - {ROOT}) | {"notes_0001"}
    assert {"loops", "notes"} <= tables(path)

    # A third branch, and another revision of the second one: only what is missing is executed.
    packages.add("notes", "0002", "notes_0001", "INSERT INTO notes VALUES (1)")
    names.append(packages.add("places", "0001", ROOT, "CREATE TABLE places (id INTEGER)"))
    three = find_branches(names)
    assert not schema_version.is_current(path, three)
    open_store(path, branches=three, create=True).close()
    assert applied(path) == three.heads
    assert rows(path)["notes"] == [{"id": 1}]
    open_store(path, branches=three, create=False).close()

    # For a program without the third capability it is newer.
    with pytest.raises(Problem, match=r"tables of the capability places \(places_0001\)"):
        open_store(path, branches=find_branches(names[:-1]), create=True)


def test_a_retired_capability_leaves_its_revision_and_no_table(
    packages: Packages, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.add("notes", "0001", ROOT, "CREATE TABLE notes (id INTEGER)")
    monkeypatch.setattr(ftl2_enterprise, "__path__", [*ftl2_enterprise.__path__, str(packages.folder)])
    monkeypatch.setattr(capabilities, "NAMES", (*capabilities.NAMES, "notes"))
    with_notes = find_branches(migrations.packages())
    open_store(path, branches=with_notes, create=True).close()
    monkeypatch.setattr(capabilities, "NAMES", capabilities.NAMES[:-1])
    without = find_branches(migrations.packages())
    with pytest.raises(Problem, match="tables of the capability notes"):
        open_store(path, branches=without, create=True)
    # Its last revision drops the tables, and its name moves to the list of retired capabilities.
    packages.add("notes", "0002", "notes_0001", "DROP TABLE notes")
    monkeypatch.setattr(migrations, "RETIRED", ("notes",))
    retired = find_branches(migrations.packages())
    assert backup.back_up(path, branches=retired)
    open_store(path, branches=retired, create=True).close()
    assert (applied(path), "notes" in tables(path)) == (retired.heads, False)
    # So does a new database of that program, and both are opened by it.
    other = path.with_name("other.db")
    open_store(other, branches=retired, create=True).close()
    assert (applied(other), tables(other)) == (applied(path), tables(path))
    for name in [name for name in sys.modules if name.startswith("ftl2_enterprise.notes")]:
        del sys.modules[name]


def test_the_branch_of_the_store_continues_next_to_the_others(packages: Packages, path: Path) -> None:
    own = packages.folder / "own" / "migrations"
    shutil.copytree(Path(importlib.import_module(STORE).__path__[0]), own)
    (own.parent / "__init__.py").touch()
    shared = revision_file("shared", "0007", "0006", "CREATE TABLE shared (id INTEGER)")
    notes = packages.add("notes", "0001", ROOT, "CREATE TABLE notes (id INTEGER)")
    before = find_branches([notes])
    open_store(path, branches=before, create=True).close()
    (own / "versions" / "0007_shared.py").write_text(shared)
    after = find_branches([notes], store="own.migrations")
    assert after.heads == {"0007", "notes_0001"}
    open_store(path, branches=after, create=True).close()
    assert applied(path) == {"0007", "notes_0001"}
    assert {"shared", "notes"} <= tables(path)
    sys.modules.pop("own.migrations")
    sys.modules.pop("own")


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda path: path.name)
def test_a_database_of_each_released_version_gets_the_new_branch_and_keeps_its_events(
    packages: Packages, path: Path, frozen: Path
) -> None:
    path.parent.mkdir()
    path.write_bytes(gzip.decompress(frozen.read_bytes()))
    before = [(row["id"], row["kind"]) for row in rows(path)["events"]]
    assert before
    names = [*migrations.packages(), packages.add("notes", "0001", ROOT, "CREATE TABLE notes (id INTEGER)")]
    branches = find_branches(names)
    open_store(path, branches=branches, create=True).close()
    assert applied(path) == branches.heads
    assert [(row["id"], row["kind"]) for row in rows(path)["events"]] == before


def test_a_branch_that_fails_undoes_all_of_them(packages: Packages, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(gzip.decompress(FROZEN[0].read_bytes()))
    names = [
        packages.add("notes", "0001", ROOT, "CREATE TABLE notes (id INTEGER)"),
        packages.add("places", "0001", ROOT, "INSERT INTO nowhere VALUES (1)"),
    ]
    before, there = rows(path), tables(path)
    with pytest.raises(Exception, match="no such table: nowhere"):
        open_store(path, branches=find_branches(names), create=True)
    assert (rows(path), tables(path), applied(path)) == (before, there, {"0001"})


def test_a_backup_is_named_by_every_head(packages: Packages, path: Path) -> None:
    names = [
        packages.add("notes", "0001", ROOT, "CREATE TABLE notes (id INTEGER)"),
        packages.add("places", "0001", ROOT, "CREATE TABLE places (id INTEGER)"),
    ]
    old = find_branches(names)
    store = open_store(path, branches=old, create=True)
    assert store.schema == name_of(old.heads) == "0006+notes_0001+places_0001"
    store.close()
    packages.add("places", "0002", "places_0001", "DROP TABLE places")
    branches = find_branches(names)
    assert backup.rehearse(path, branches=branches)
    assert applied(path) == old.heads
    kept = path.with_name("loops.db.0006+notes_0001+places_0001")
    assert backup.back_up(path, branches=branches) == kept
    open_store(path, branches=branches, create=True).close()
    assert applied(kept) == old.heads
    assert "places" in tables(kept) - tables(path)
    assert not backup.rehearse(path, branches=branches)


# --- one branch -----------------------------------------------------------------------------------------------------


def test_is_current_compares_the_schema_of_a_file(db: Store, tmp_path: Path) -> None:
    assert migrations.is_current(db.path)
    assert not migrations.is_current(tmp_path / "missing.db")
    for name, content in (("empty.db", b""), ("strange.db", b"no database" * 100)):
        (tmp_path / name).write_bytes(content)
        assert not migrations.is_current(tmp_path / name)
    with db.write() as tx:
        tx.connection.execute(text("UPDATE alembic_version SET version_num = '0001' WHERE rowid = 1"))
    assert not migrations.is_current(db.path)


def test_a_migration_runs_in_the_transaction_that_is_checked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_database(path, create=True).close()
    migrate = schema_version.migrate
    states: list[bool] = []

    def watched(connection: Connection, branches: Branches) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        states.append(driver.in_transaction)
        migrate(connection, branches)
        states.append(driver.in_transaction)

    monkeypatch.setattr(schema_version, "migrate", watched)
    open_database(path, create=True).close()
    assert states == []
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM alembic_version")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.commit()
    with pytest.raises(Exception, match=r"already exists|no such|duplicate"):
        open_database(path, create=True)
    assert states == [True]
    path.unlink()
    open_database(path, create=True).close()
    assert states == [True, True, True]


def test_a_migration_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate = schema_version.migrate

    def fails(connection: Connection, branches: Branches) -> None:
        migrate(connection, branches)
        raise ZeroDivisionError

    monkeypatch.setattr(schema_version, "migrate", fails)
    with pytest.raises(ZeroDivisionError):
        open_database(path, create=True)
    monkeypatch.undo()
    with pytest.raises(Problem, match="it is empty"):
        open_database(path, create=False)
    open_database(path, create=True).close()
