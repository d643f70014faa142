"""How the service ends: within its limits, in its order, and once."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import survivors
from tests.support.service.root_service import Service, is_alive, service
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path, drain_timeout=0.6, quit_timeout=0.3) as it:
        yield it


def test_a_loop_is_asked_for_its_safe_point_and_its_end_is_its_own(made: Service, tmp_path: Path):
    made.up()
    made.start_loop(1, f"safe_point={tmp_path / 'there'}")
    until((tmp_path / "there").exists)
    made.send("stop", key="loop:1", urgency="safe_point", within=20)
    ended = made.reported("ended", "loop:1")
    assert (ended["why"], ended["status"]) == ("exited", 0)


def test_an_urgent_stop_is_repeated_until_it_is_noticed(made: Service, tmp_path: Path):
    made.up()
    made.start_loop(1, f"second={tmp_path / 'there'}")
    until((tmp_path / "there").exists)
    made.send("stop", key="loop:1", urgency="safe_point", within=20)
    made.start_loop(2)
    made.send("stop", key="loop:1", urgency="now", within=20)
    ended = made.reported("ended", "loop:1")
    assert (ended["why"], ended["status"]) == ("exited", 9)


def test_a_child_that_exceeds_its_limit_is_killed_with_its_processes(made: Service, tmp_path: Path):
    made.up()
    mark = survivors.mark()
    made.start_loop(1, f"family={mark} stubborn print=up", log=str(tmp_path / "log"))
    until(lambda: len(survivors.alive(mark)) >= 3 and "up" in made.log())
    before = time.monotonic()
    made.send("stop", key="loop:1", urgency="safe_point", within=0.3)
    ended = made.reported("ended", "loop:1")
    assert (ended["why"], ended["signal"]) == ("late", 9)
    assert time.monotonic() - before >= 0.3
    assert survivors.alive(mark) == []
    assert "no" in made.log()


def test_a_shorter_limit_replaces_a_longer_one(made: Service, tmp_path: Path):
    made.up()
    made.start_loop(1, "stubborn print=up", log=str(tmp_path / "log"))
    until(lambda: "up" in made.log())
    made.send("stop", key="loop:1", urgency="safe_point", within=100)
    made.send("stop", key="loop:1", urgency="safe_point", within=0.1)
    made.send("stop", key="loop:1", urgency="safe_point", within=100)
    assert made.reported("ended", "loop:1")["why"] == "late"


def test_a_requested_kill_is_no_crash(made: Service):
    made.up()
    made.start_loop(1, "stubborn")
    made.send("stop", key="loop:1", urgency="kill", within=0)
    ended = made.reported("ended", "loop:1")
    assert (ended["why"], ended["signal"]) == ("exited", 9)


def test_a_child_that_is_stopped_before_its_fork_never_runs(made: Service):
    made.up()
    forkserver = made.own()["forkserver"]
    assert forkserver is not None
    os.kill(forkserver, signal.SIGSTOP)
    made.send("start", key="loop:1", argument="")
    made.send("start", key="loop:2", argument="")
    made.send("stop", key="loop:2", urgency="safe_point", within=5)
    assert made.reported("ended", "loop:2")["why"] == "not_started"
    made.send("stop", key="loop:1", urgency="safe_point", within=5)
    made.send("start", key="loop:3", argument="")
    os.kill(forkserver, signal.SIGCONT)
    assert made.reported("ended", "loop:1")["signal"] in {15, None}
    assert is_alive(made.reported("started", "loop:3")["pid"])


def test_the_shutdown_is_announced_and_follows_its_order(made: Service, tmp_path: Path):
    made.up()
    made.start_loop(1, f"safe_point={tmp_path / 'there'}")
    until((tmp_path / "there").exists)
    os.kill(made.pid, signal.SIGTERM)
    made.reported("drain")
    assert made.reported("ended", "loop:1")["why"] == "exited"
    made.send("start", key="loop:2", argument="")
    assert made.wait() == 0
    notices = made.notices("STOPPING=1")
    assert notices.index("READY=1") < notices.index("STOPPING=1") < notices.index("EXTEND_TIMEOUT_USEC=20000000")
    assert made.living() == {}
    assert not (tmp_path / "c.sock").exists()


def test_the_time_limit_is_extended_until_the_end(tmp_path: Path):
    with service(tmp_path, drain_timeout=60.0, quit_timeout=0.2, patience=0.1) as made:
        made.up()
        made.start_loop(1, "stubborn print=up", log=str(tmp_path / "log"))
        until(lambda: "up" in made.log())
        assert asked_for(made) == []
        began = time.monotonic()
        os.kill(made.pid, signal.SIGTERM)
        # Each time for longer than until the next time, so that the service manager's patience never ends.
        assert until(lambda: len(asked_for(made)) >= 6 and set(asked_for(made))) == {"EXTEND_TIMEOUT_USEC=400000"}
        assert time.monotonic() - began >= 0.5
        os.kill(made.pid, signal.SIGQUIT)
        assert made.wait() == 0


def asked_for(made: Service) -> list[str]:
    return [line for line in made.notices() if line.startswith("EXTEND_TIMEOUT_USEC=")]


def test_a_child_that_does_not_end_is_killed_after_the_limit(made: Service):
    made.up()
    mark = survivors.mark()
    words = f"family={mark} stubborn print=up"
    pids = [made.start_loop(n, words, log=str(made.directory / "log")) for n in range(3)]
    until(lambda: len(survivors.alive(mark)) >= 9 and made.log().count("up") == 3)
    before = time.monotonic()
    os.kill(made.pid, signal.SIGTERM)
    assert {made.reported("ended", f"loop:{n}")["why"] for n in range(3)} == {"late"}
    assert made.wait() == 0
    assert 0.6 <= time.monotonic() - before < 5.0
    assert not any(is_alive(pid) for pid in pids)
    assert survivors.alive(mark) == []


def test_during_a_shutdown_only_a_killed_writer_is_restarted(tmp_path: Path):
    with service(tmp_path, drain_timeout=30.0, quit_timeout=0.2) as made:
        made.up()
        loop = made.start_loop(1, "stubborn print=up", log=str(tmp_path / "log"))
        until(lambda: "up" in made.log())
        os.kill(made.pid, signal.SIGTERM)
        made.reported("drain")
        made.send("start", key="loop:2", argument="")
        assert made.reported("ended", "loop:2")["why"] == "not_started"
        writer = made.ask("w.sock")
        os.kill(writer, signal.SIGKILL)
        until(lambda: not is_alive(writer))
        assert made.ask("w.sock") != writer
        os.kill(made.control_pid, signal.SIGKILL)
        hello = made.meet()
        assert hello["draining"] is True
        assert [(line["key"], line["stopping"]) for line in hello["table"]] == [("loop:1", True)]
        assert is_alive(loop)
        os.kill(made.pid, signal.SIGTERM)
        os.kill(made.pid, signal.SIGTERM)
        made.send("status", text="still here")
        made.raw(b'{"type":"wake","key":"loop:1"}')
        until(lambda: "woken" in made.log())
        assert is_alive(loop)
        assert made.log().count("no") == 1
        os.kill(made.pid, signal.SIGQUIT)
        assert made.wait() == 0


@pytest.mark.parametrize("how", ["signal", "message"])
def test_sigquit_waits_only_a_moment(tmp_path: Path, how: str):
    with service(tmp_path, drain_timeout=60.0, quit_timeout=0.5) as made:
        made.up()
        made.start_loop(1, f"second={tmp_path / 'there'}")
        made.start_loop(2, "stubborn print=up", log=str(tmp_path / "log"))
        until(lambda: (tmp_path / "there").exists() and "up" in made.log())
        before = time.monotonic()
        if how == "signal":
            os.kill(made.pid, signal.SIGQUIT)
        else:
            made.send("shutdown", urgency="now")
        assert made.reported("ended", "loop:1")["status"] == 9
        assert made.reported("ended", "loop:2")["why"] == "late"
        assert made.wait() == 0
        assert time.monotonic() - before < 5.0
        assert made.living() == {}


def test_control_can_request_the_shutdown(made: Service):
    made.up()
    made.start_loop(1)
    made.send("shutdown", urgency="drain")
    made.reported("drain")
    assert made.wait() == 0
    assert made.living() == {}


def test_a_terminal_needs_two_interrupts_to_end_it_now(tmp_path: Path):
    with service(tmp_path, drain_timeout=60.0, quit_timeout=0.2) as made:
        made.up(notify=False)
        made.start_loop(1, "stubborn print=up", log=str(tmp_path / "log"))
        until(lambda: "up" in made.log())
        os.kill(made.pid, signal.SIGINT)
        made.reported("drain")
        os.kill(made.pid, signal.SIGINT)
        assert made.wait() == 0
        assert "stopping now" in made.errors()


def test_a_shutdown_during_the_start_ends_the_service(made: Service):
    made.start()
    until(lambda: len(made.living()) > 1)
    os.kill(made.pid, signal.SIGTERM)
    assert made.wait() == 0
    assert made.living() == {}
