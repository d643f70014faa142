"""Root executes itself in place: no child is lost, no client refused, and what cannot be loaded is not tried."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.supervisor.root import core_processes, messages
from tests.support.service import root_kinds
from tests.support.service.root_service import Service, is_alive, service
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as it:
        yield it


def test_every_child_is_kept_and_core_processes_are_replaced(made: Service):
    made.up()
    pids = {f"loop:{n}": made.start_loop(n) for n in range(20)}
    control, own = made.control_pid, made.own()
    until(lambda: sum(name.startswith("loop:") for name in made.living().values()) == 20)
    hello = made.upgrade()
    assert {line["key"]: line["pid"] for line in hello["table"]} == pids
    assert all(line["old"] for line in hello["table"])
    assert hello["booted"] is False
    assert all(is_alive(pid) for pid in pids.values())
    assert made.control_pid != control
    assert made.own()["root"] == own["root"] == made.pid
    assert made.own()["forkserver"] != own["forkserver"]
    assert made.own()["writer"] != own["writer"]
    made.start_loop(50)
    os.kill(pids["loop:7"], signal.SIGKILL)
    ended = made.reported("ended", "loop:7")
    assert (ended["why"], ended["pid"]) == ("killed", pids["loop:7"])
    assert ended["ran"] > 0.0
    os.kill(made.pid, signal.SIGTERM)
    assert made.wait() == 0
    assert made.living() == {}


def test_a_reload_in_progress_is_completed_by_the_new_root(made: Service):
    made.up()
    made.begin_reload()
    assert "READY=1" not in made.notices("RELOADING=1")
    made.upgrade()
    assert made.notices("READY=1").count("RELOADING=1") == 1
    # Once; the next reload begins anew.
    made.begin_reload()
    made.notices("RELOADING=1")
    made.send("ready")
    assert made.notices("READY=1").count("READY=1") == 1


def test_the_old_writer_stays_until_no_old_child_needs_it(made: Service):
    made.up()
    old = made.start_loop(1)
    writer = made.own()["writer"]
    assert writer is not None
    made.upgrade()
    assert made.ask("w.sock") != writer
    made.start_loop(2)
    assert is_alive(writer)
    os.kill(old, signal.SIGTERM)
    made.reported("ended", "loop:1")
    until(lambda: not is_alive(writer))


def test_no_client_is_refused_during_an_upgrade(made: Service):
    made.up()
    made.start_loop(1)
    over = threading.Event()
    answers: list[int] = []
    errors: list[Exception] = []

    def knock() -> None:
        while not over.is_set():
            try:
                answers.append(made.ask("c.sock"))
            except (OSError, ValueError) as error:
                errors.append(error)

    before = made.control_pid
    client = threading.Thread(target=knock)
    client.start()
    try:
        made.upgrade()
        until(lambda: answers and answers[-1] == made.control_pid)
    finally:
        over.set()
        client.join()
    assert set(answers) == {before, made.control_pid}
    # A connection that the old control had accepted may end with it; none is refused.
    assert not [
        error for error in errors if isinstance(error, OSError) and not isinstance(error, ConnectionResetError)
    ]
    assert len(errors) <= 1


def test_repeated_upgrades_leak_nothing(made: Service):
    made.up()
    pid = made.start_loop(1)

    def descriptors() -> int:
        return len(list(Path(f"/proc/{made.pid}/fd").iterdir()))

    made.upgrade()
    before = descriptors()
    for _ in range(3):
        hello = made.upgrade()
        assert [line["pid"] for line in hello["table"]] == [pid]
    assert descriptors() <= before
    os.kill(pid, signal.SIGTERM)
    made.reported("ended", "loop:1")
    until(lambda: sum(name == "writer" for name in made.living().values()) == 1)


def test_a_program_that_cannot_be_loaded_is_not_executed(tmp_path: Path):
    broken = tmp_path / "broken"
    with service(tmp_path) as made:
        made.up(**{root_kinds.FAIL: str(broken)})
        pid = made.start_loop(1)
        own = made.own()
        broken.touch()
        made.send("upgrade")
        made.notices("STATUS=cannot upgrade")
        assert "cannot upgrade" in made.errors()
        broken.unlink()
        assert is_alive(pid)
        assert is_alive(made.start_loop(2))
        assert made.own() == own


def test_a_version_with_other_messages_is_refused_in_place(tmp_path: Path):
    broken = tmp_path / "broken"
    with service(tmp_path) as made:
        made.up(**{root_kinds.FAIL: str(broken)})
        pid = made.start_loop(1)
        own = made.own()
        broken.write_text(str(messages.OTHER_VERSION))
        made.send("upgrade")
        made.notices("STATUS=cannot upgrade in place: the installed version requires a restart")
        broken.unlink()
        assert is_alive(pid)
        assert made.own() == own


OTHER_FILES = {
    "other messages": "the installed program is of another version; restart the service",
    "another schema": "the installed program needs schema 0006, the running service has 0005; restart the service",
}
"""How the files of the program differ from those that root was started from, and what it reports."""


@contextlib.contextmanager
def replaced(directory: Path, how: str) -> Generator[Service]:
    """A service with the loop 1, whose forkserver was executed again from other files."""
    failure, schema = directory / "failure", directory / "schema"
    schema.write_text("0005")
    with service(directory, schema="0005") as made:
        made.up(**{root_kinds.FAIL: str(failure), root_kinds.SCHEMA: str(schema)})
        made.start_loop(1, argument="safe_point=" + str(directory / "begun"))
        until((directory / "begun").exists)
        if how == "another schema":
            schema.write_text("0006")
        else:
            failure.write_text(str(messages.OTHER_VERSION))
        os.kill(made.own()["forkserver"] or 0, signal.SIGKILL)
        made.until(lambda one: one == messages.problem(f"cannot start processes: {OTHER_FILES[how]}"))
        failure.unlink(missing_ok=True)
        yield made


@pytest.mark.parametrize("how", OTHER_FILES)
def test_nothing_is_forked_from_files_of_another_version_and_what_runs_continues(tmp_path: Path, how: str):
    with replaced(tmp_path, how) as made:
        made.send("start", key="loop:2")
        made.send("stop", key="loop:2", urgency="safe_point", within=5.0)
        # The request waited: it is withdrawn, and no process was started that fails.
        assert made.reported("ended", "loop:2")["why"] == "not_started"
        made.send("start", key="loop:3")
        made.send("stop", key="loop:1", urgency="safe_point", within=20.0)
        assert made.reported("ended", "loop:1")["status"] == 0
        assert "loop:3" not in made.living().values()
        assert made.errors().count(OTHER_FILES[how]) == 1


@pytest.mark.parametrize("how", OTHER_FILES)
def test_without_control_the_service_ends_so_that_the_installed_program_is_started(tmp_path: Path, how: str):
    with replaced(tmp_path, how) as made:
        if how == "other messages":
            (tmp_path / "failure").write_text(str(messages.OTHER_VERSION))
        os.kill(made.control_pid, signal.SIGKILL)
        assert made.wait() == core_processes.GIVEN_UP
        assert made.living() == {}


@pytest.mark.parametrize("late", [0.0, 0.0002, 0.001])
def test_a_signal_during_the_exec_is_not_lost(made: Service, late: float):
    made.up()
    made.start_loop(1)
    made.send("upgrade")
    while "in place" not in made.errors():
        pass  # at the same moment: it may have received the signal, and not have handled it yet
    time.sleep(late)
    os.kill(made.pid, signal.SIGTERM)
    assert made.wait() == 0
    assert made.living() == {}


def test_hung_children_are_found_after_an_upgrade(tmp_path: Path):
    with service(tmp_path, hung_after=0.8) as made:
        made.up()
        pid = made.start_loop(1)
        other = made.start_loop(2)
        made.upgrade()
        os.kill(pid, signal.SIGSTOP)
        assert made.reported("ended", "loop:1")["why"] == "hung"
        assert is_alive(other)


def test_a_requested_stop_continues_after_an_upgrade(tmp_path: Path):
    with service(tmp_path, drain_timeout=0.5) as made:
        made.up()
        made.start_loop(1, "stubborn print=up", log=str(tmp_path / "log"))
        until(lambda: "up" in made.log())
        made.send("stop", key="loop:1", urgency="safe_point", within=60)
        made.upgrade()
        assert made.reported("ended", "loop:1")["why"] == "late"
