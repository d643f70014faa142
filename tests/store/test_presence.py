"""A database that was moved or removed is not replaced by an empty one; a truly new one is created."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.store import backup
from ftl2_enterprise.store.presence import check_presence
from ftl2_enterprise.wiring.database import open_database
from ftl2_enterprise.wiring.migrations import branches
from tests.support.data.database import loop_names, spec
from tests.support.data.problems import refused

if TYPE_CHECKING:
    from collections.abc import Callable

# A process that is killed leaves the write-ahead log.
KILLED = """
import os, pathlib, signal, sys
from ftl2_enterprise.loops.rows import loops
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.database import spec
opened = open_database(pathlib.Path(sys.argv[1]), create=True)
with opened.write() as tx:
    loops.create_loop(tx, spec("web"))
os.kill(os.getpid(), signal.SIGKILL)
"""
FILES = ["-wal", "-shm", "-journal", ".freezes", ".secrets", ".site-policy", ".0005", ".0006+loops_0002"]
UNRELATED = [".service", ".copy-17", ".yaml", "~", ".sha256"]


def orphan(path: Path, suffix: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    made = Path(f"{path}{suffix}")
    made.write_bytes(b"content")
    return made


def use(path: Path) -> None:
    with closing(open_database(path, create=True)) as db, db.write() as tx:
        loop_rows.create_loop(tx, spec("new"))


OPENINGS: list[Callable[[Path], object]] = [
    use,
    lambda path: open_database(path, create=False),
    lambda path: backup.rehearse(path, branches=branches()),
    lambda path: backup.back_up(path, branches=branches()),
]


@pytest.mark.parametrize("suffix", FILES)
def test_a_missing_database_is_not_created_next_to_its_files(path: Path, suffix: str) -> None:
    made = orphan(path, suffix)
    for opening in OPENINGS:
        with refused(
            Code.UNAVAILABLE,
            f"cannot open the database {path}: it is missing, but files that belong to it exist",
            "put it back",
            "backup",
            f"remove {made.name}",
        ):
            opening(path)
    assert list(path.parent.iterdir()) == [made]
    made.unlink()
    use(path)
    with closing(open_database(path, create=False)) as db:
        assert loop_names(db) == {"new"}


@pytest.mark.parametrize("suffix", UNRELATED)
def test_a_new_database_is_created_next_to_other_files(path: Path, suffix: str) -> None:
    orphan(path, suffix)
    use(path)


def test_a_new_database_is_created_in_a_new_directory(path: Path) -> None:
    check_presence(path)
    use(path)


def test_a_long_list_of_files_is_shortened(path: Path) -> None:
    for suffix in FILES:
        orphan(path, suffix)
    with refused(Code.UNAVAILABLE, "remove loops.db-wal, loops.db-shm, loops.db-journal, ..."):
        use(path)


def test_a_link_that_leads_nowhere_is_refused_next_to_the_files_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "loops.db").symlink_to(tmp_path / "data" / "real.db")
    orphan(tmp_path / "data" / "real.db", ".secrets")
    with refused(Code.UNAVAILABLE, "it is missing", "real.db.secrets"):
        use(tmp_path / "loops.db")


def test_an_empty_file_is_not_filled_next_to_a_log_with_commits(path: Path) -> None:
    """SQLite would remove the log: it may be all that is left."""
    subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    log = Path(f"{path}-wal")
    commits = log.read_bytes()
    assert commits
    content = path.read_bytes()
    path.write_bytes(b"")
    for opening in OPENINGS:
        with refused(Code.UNAVAILABLE, f"cannot open the database {path}: it is empty, but files that belong to it"):
            opening(path)
    assert log.read_bytes() == commits
    path.write_bytes(content)
    with closing(open_database(path, create=False)) as db:
        assert loop_names(db) == {"web"}


def test_an_empty_file_next_to_an_empty_log_is_filled(path: Path) -> None:
    orphan(path, "-wal").write_bytes(b"")
    path.write_bytes(b"")
    use(path)
