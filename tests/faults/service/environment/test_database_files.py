"""The files of the database are moved, overwritten, truncated or removed while the service runs.

Nothing is acknowledged that the next start would not find; the health reports it, also without a write.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.verbs import ListLoops, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import GetHealth
from tests.support.data.new_database import put_database
from tests.support.processes import process_marks
from tests.support.service.daemon import Daemon, daemon
from tests.support.terminal.ctl_process import ctl
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "version: 1\nname: web\nsteps:\n  - {name: observe, check: {path: /}, action: {module: ping}}\n"
REPORTED_WITHIN = 5.0
"""Seconds until the health has it, without a write."""


def submit(service: Daemon, name: str) -> None:
    service.call(SubmitLoop(spec=LoopSpec(name=name, desired_state=TEXT), paused=True))


def names(service: Daemon) -> set[str]:
    return {each.name for each in service.call(ListLoops(finished=True)).loops}


def command(*words: str | Path) -> None:
    subprocess.run([str(one) for one in words], check=True)


def move(database: Path) -> None:
    command("mv", database, database.with_name("away.db"))


def replace(database: Path) -> None:
    put_database(database.with_name("other.db"))
    command("mv", database.with_name("other.db"), database)


def overwrite(database: Path) -> None:
    put_database(database.with_name("other.db"))
    command("cp", database.with_name("other.db"), database)


def truncate(database: Path) -> None:
    command("truncate", "--size=0", database)


def remove_the_log(database: Path) -> None:
    command("rm", f"{database}-wal")


CHANGES: dict[Callable[[Path], None], str] = {
    move: "moved or removed",
    replace: "another file has its name",
    overwrite: "overwritten or truncated",
    truncate: "overwritten or truncated",
    remove_the_log: "-wal was removed or replaced",
}


def reported(service: Daemon, words: str) -> list[str]:
    """The problems in the health, once they name the change."""
    return until(
        lambda: found if words in "".join(found := service.call(GetHealth()).problems) else None,
        seconds=REPORTED_WITHIN,
        every=0.1,
    )


def lines(service: Daemon, words: str) -> list[str]:
    """What the journal has about it."""
    return [line for line in service.output.read_text().splitlines() if words in line]


def acknowledged(service: Daemon, prefix: str, count: int = 20) -> tuple[list[str], list[Problem]]:
    """Of so many submits, those that were acknowledged, and why the others were refused."""
    taken: list[str] = []
    problems: list[Problem] = []
    for n in range(count):
        try:
            submit(service, f"{prefix}{n}")
        except Problem as problem:
            problems.append(problem)
        else:
            taken.append(f"{prefix}{n}")
    return taken, problems


@pytest.mark.parametrize(("change", "words"), CHANGES.items(), ids=[each.__name__ for each in CHANGES])
def test_nothing_is_acknowledged_after_a_change_of_the_files(
    tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    with daemon(tmp_path) as service:
        service.start()
        assert len(acknowledged(service, "before")[0]) == 20
        change(service.run.database)
        taken, problems = acknowledged(service, "after")
        assert taken == []
        assert {one.code for one in problems} == {Code.UNAVAILABLE}
        assert all(one.message.startswith("cannot ") and str(service.run.database) in one.message for one in problems)
        assert any(words in one.message for one in problems)
        reported(service, words)
        shown = ctl(Path(service.socket), "health")
        assert shown.returncode == 1
        assert words in " ".join(shown.stdout.split())


def test_the_health_reports_a_change_without_a_write_and_the_journal_once(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        submit(service, "before")
        database = service.run.database
        for count in (1, 2):
            move(database)
            assert len(reported(service, "moved or removed")) == 1
            assert acknowledged(service, "lost", 3)[0] == []
            command("mv", database.with_name("away.db"), database)
            until(lambda: service.call(GetHealth()).ok, seconds=REPORTED_WITHIN)
            assert len(lines(service, "moved or removed")) == count
            submit(service, f"after{count}")
        assert names(service) == {"before", "after1", "after2"}
        assert all(each.restarts == 0 for each in service.call(GetHealth()).processes)
        assert service.stop() == 0
        service.start()
        assert names(service) == {"before", "after1", "after2"}


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_was_acknowledged_before_the_log_was_removed_is_kept(tmp_path: Path, *, is_killed: bool) -> None:
    with daemon(tmp_path) as service:
        service.start()
        taken, _ = acknowledged(service, "before")
        remove_the_log(service.run.database)
        reported(service, "-wal was removed or replaced")
        if is_killed:
            process_marks.kill_all(service.run)
            service.wait()
        else:
            assert service.stop() == 0
        service.start()
        assert names(service) == set(taken)
        submit(service, "after")


def test_a_service_is_not_started_with_an_empty_database_in_place_of_a_moved_one(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        submit(service, "before")
        database = service.run.database
        move(database)
        assert service.stop() == 0
        service.run.creates_database = True
        service.spawn()
        assert service.wait() == 69
        assert not database.exists()
        assert lines(
            service, f"cannot open the database {database}: it is missing, but files that belong to it exist"
        )
        assert lines(service, "put it back or restore a backup")
        command("mv", database.with_name("away.db"), database)
        service.start()
        assert names(service) == {"before"}
