"""Whichever process dies: what is below root lives on or is gone, and root knows which."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.supervisor.root import core_processes, process_tree
from tests.support.processes import killing, survivors
from tests.support.service import root_kinds
from tests.support.service.root_service import Service, is_alive, service
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path, hung_after=1.0) as it:
        yield it


def test_a_killed_control_is_replaced_and_gets_the_table_and_missed_ends(made: Service):
    made.up()
    pids = {f"loop:{n}": made.start_loop(n) for n in range(5)}
    first = made.control_pid
    os.kill(first, signal.SIGSTOP)
    os.kill(pids.pop("loop:3"), signal.SIGKILL)
    os.kill(first, signal.SIGKILL)
    hello = made.meet()
    assert hello["booted"] is False
    table = {line["key"]: line["pid"] for line in hello["table"]}
    if table.pop("loop:3", None):
        # It was not cleaned up yet: then its end is reported to this control.
        assert made.reported("ended", "loop:3")["why"] == "killed"
    assert table == pids
    assert all(is_alive(pid) for pid in pids.values())
    assert made.control_pid != first
    assert next(line for line in hello["processes"] if line["name"] == "control")["restarts"] == 1
    assert is_alive(made.start_loop(9))


def test_an_end_without_a_control_is_reported_to_the_next_one(made: Service):
    # The second death in a row is followed by a wait, as long as no life in between counts as healthy.
    made.config |= {"healthy_after": 1000.0, "restart_delay": 3.0}
    made.up()
    pid = made.start_loop(1)
    os.kill(made.control_pid, signal.SIGKILL)
    made.meet()
    os.kill(made.control_pid, signal.SIGKILL)
    until(lambda: not is_alive(made.control_pid))
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid))
    assert made.meet()["table"] == []
    assert made.reported("ended", "loop:1")["why"] == "killed"


def test_an_end_is_reported_to_every_control_until_one_has_recorded_it(made: Service):
    made.up()
    os.kill(made.start_loop(1), signal.SIGKILL)
    first = made.reported("ended", "loop:1")
    os.kill(made.control_pid, signal.SIGKILL)
    made.meet()
    # Before the last part of the hello, so that no pass starts it again as if it had not crashed.
    assert made.seen[-2] == first
    made.send("recorded", number=first["number"])
    made.send("ready")
    made.start_loop(2)
    os.kill(made.control_pid, signal.SIGKILL)
    assert [line["key"] for line in made.meet()["table"]] == ["loop:2"]
    assert not [message for message in made.seen if message["type"] == "ended"]


def test_an_unrecorded_end_is_reported_after_an_upgrade(made: Service):
    made.up()
    os.kill(made.start_loop(1), signal.SIGKILL)
    first = made.reported("ended", "loop:1")
    made.upgrade()
    assert first in made.seen
    os.kill(made.start_loop(2), signal.SIGKILL)
    assert made.reported("ended", "loop:2")["number"] > first["number"]


def test_a_killed_writer_is_replaced_on_the_same_socket(made: Service):
    made.up()
    loop = made.start_loop(1)
    first = made.ask("w.sock")
    os.kill(first, signal.SIGKILL)
    until(lambda: not is_alive(first))
    assert made.ask("w.sock") != first
    assert is_alive(loop)


def test_a_killed_forkserver_ends_no_child_and_the_next_fork_works(made: Service):
    made.up()
    pids = [made.start_loop(n) for n in range(5)]
    forkserver = made.own()["forkserver"]
    assert forkserver is not None
    os.kill(forkserver, signal.SIGKILL)
    for n in range(5, 10):
        made.send("start", key=f"loop:{n}", argument="")
    started = [made.reported("started", f"loop:{n}")["pid"] for n in range(5, 10)]
    assert all(is_alive(pid) for pid in pids + started)
    assert made.own()["forkserver"] != forkserver


def test_a_forkserver_that_does_not_answer_is_replaced(tmp_path: Path):
    with service(tmp_path, fork_timeout=0.3) as made:
        made.up()
        forkserver = made.own()["forkserver"]
        assert forkserver is not None
        os.kill(forkserver, signal.SIGSTOP)
        assert is_alive(made.start_loop(1))
        assert not is_alive(forkserver)


@pytest.mark.parametrize("which", [0, 1])
def test_a_spare_child_that_was_killed_is_replaced(made: Service, which: int):
    """Neither the child that was forked in advance nor its parent."""
    made.up()
    there = until(lambda: _spare_of(made))
    os.kill(there[which], signal.SIGKILL)
    until(lambda: not is_alive(there[which]))
    assert all(is_alive(made.start_loop(n)) for n in range(3))
    assert not set(until(lambda: _spare_of(made))) & set(there)


def test_a_spare_child_ends_with_its_forkserver(made: Service):
    made.up()
    there = until(lambda: _spare_of(made))
    forkserver = made.own()["forkserver"]
    assert forkserver is not None
    os.kill(forkserver, signal.SIGKILL)
    until(lambda: not any(map(is_alive, there)))
    made.start_loop(1)


def test_children_that_still_claim_end_with_root(made: Service, tmp_path: Path):
    """Each has an order, and waits in vain for the writer, which ended with root; so had root become its parent."""
    notes = tmp_path / "notes"
    made.up()
    for number in range(6):
        made.send("start", key=f"stuck:{number}", argument=str(notes))
    until(lambda: notes.exists() and notes.read_text().count("claims") == 6)
    pids = [int(line.split()[1]) for line in notes.read_text().splitlines()]
    os.kill(made.pid, signal.SIGKILL)
    until(lambda: not any(map(is_alive, pids)), seconds=10.0)


def _spare_of(made: Service) -> list[int]:
    """The child that waits for an order, after its parent; nothing until both exist."""
    forkserver = made.own()["forkserver"]
    found = killing.spare_of(forkserver) if forkserver else []
    return found if len(found) == 2 else []


def test_a_child_that_ends_every_forkserver_is_given_up_alone(made: Service):
    made.up()
    loop = made.start_loop(1)
    made.send("start", key="poison:1", argument="")
    ended = made.reported("ended", "poison:1")
    assert (ended["why"], ended["text"]) == ("not_started", "the forkserver ends whenever it forks this child")
    assert is_alive(made.start_loop(2))
    assert is_alive(loop)


def test_when_root_is_killed_everything_is_dead_within_a_second(made: Service):
    made.up()
    for n in range(30):
        made.start_loop(n, "stubborn")
    until(lambda: len(made.living()) == 36)
    os.kill(made.pid, signal.SIGKILL)
    until(lambda: not made.living(), seconds=1.0)


def test_the_helpers_of_a_killed_child_are_gone_when_its_end_is_reported(made: Service):
    made.up()
    mark = survivors.mark()
    other = made.start_loop(2)
    for _ in range(3):
        pid = made.start_loop(1, f"family={mark}")
        until(lambda: len(survivors.alive(mark)) >= 3)
        after = len(made.seen)
        os.kill(pid, signal.SIGKILL)
        made.reported("ended", "loop:1", after=after)
        assert survivors.alive(mark) == []
    assert is_alive(other)


def test_the_helpers_of_a_child_live_as_long_as_it_does(made: Service):
    made.up()
    mark = survivors.mark()
    made.start_loop(1, f"family={mark}")
    other = made.start_loop(2)
    until(lambda: len(survivors.alive(mark)) >= 3)
    os.kill(other, signal.SIGKILL)
    made.reported("ended", "loop:2")
    until(lambda: len(survivors.alive(mark)) >= 3)


@pytest.mark.parametrize("how", ["stopped", "held"])
def test_a_hung_child_is_killed_with_its_processes_and_reported_as_hung(made: Service, how: str):
    made.up()
    mark = survivors.mark()
    other = made.start_loop(2)
    pid = made.start_loop(1, f"family={mark}" + (" hold" if how == "held" else ""))
    until(lambda: len(survivors.alive(mark)) >= 3)
    if how == "stopped":
        os.kill(pid, signal.SIGSTOP)
    ended = made.reported("ended", "loop:1", seconds=8.0)
    assert (ended["why"], ended["signal"]) == ("hung", 9)
    assert survivors.alive(mark) == []
    assert is_alive(other)


def test_a_hung_control_and_a_hung_writer_are_replaced(made: Service):
    made.up()
    writer = made.ask("w.sock")
    os.kill(writer, signal.SIGSTOP)
    control = made.control_pid
    os.kill(control, signal.SIGSTOP)
    made.meet()
    assert made.control_pid != control
    until(lambda: made.ask("w.sock") != writer)


def test_no_child_counts_as_hung_because_the_whole_service_was_stopped(made: Service):
    made.up()
    pids = [made.start_loop(n) for n in range(3)]
    everybody = [made.pid, *(pid for pid in made.living() if pid != made.pid)]
    # The parent of what was forked in advance may have been ending: not every signal reaches a process.
    for pid in everybody:
        process_tree.send(pid, signal.SIGSTOP)
    time.sleep(1.5)  # longer than hung_after: this is the condition itself
    os.kill(made.pid, signal.SIGCONT)
    for pid in reversed(everybody):
        process_tree.send(pid, signal.SIGCONT)
    again = made.start_loop(9)
    assert all(is_alive(pid) for pid in [*pids, again, made.control_pid])


def test_a_control_that_no_longer_reports_that_it_is_alive_is_replaced(tmp_path: Path):
    with service(tmp_path, alive_within=0.5) as made:
        made.up()
        first = made.control_pid
        made.send("alive")
        made.meet()
        assert made.control_pid != first
        assert "control has not sent that it is alive" in made.errors()


def test_a_control_that_does_not_read_stops_nothing(made: Service):
    made.up()
    first = made.control_pid
    made.raw(b"deaf")
    for n in range(6000):
        made.send("start", key=f"nothing:{n}", argument="")
    hello = made.meet()
    assert made.control_pid != first
    assert hello["table"] == []
    assert is_alive(made.start_loop(1))


def test_a_forkserver_that_cannot_start_is_given_up_with_a_sentence(tmp_path: Path):
    broken = tmp_path / "broken"
    broken.touch()
    with service(tmp_path, restart_delay=0.01, forkserver_limit=3) as made:
        made.env[root_kinds.FAIL] = str(broken)
        made.start()
        assert made.wait() == core_processes.GIVEN_UP
        assert "cannot continue: forkserver has failed 4 times in a row" in made.errors()
        assert "Traceback" not in made.errors()
        assert any(line.startswith("STATUS=cannot continue") for line in made.notices("STATUS=cannot"))
        assert made.living() == {}


def test_a_forkserver_with_threads_is_refused_at_once(made: Service):
    made.env[root_kinds.FAIL] = "threads"
    made.start()
    assert made.wait() == core_processes.HOPELESS
    assert "cannot fork: 2 threads run after the imports" in made.errors()


def test_a_control_that_exits_as_hopeless_ends_the_service(made: Service):
    made.up()
    made.start_loop(1)
    made.raw(b"hopeless")
    assert made.wait() == core_processes.HOPELESS
    assert made.living() == {}


def test_fifty_children_and_random_kills_lose_nothing_and_double_nothing(made: Service):
    """Control starts again whatever ends, as its managers do; afterwards the table is what lives."""
    made.up()
    chance = random.Random(7)
    keys = {f"loop:{n}": made.start_loop(n) for n in range(50)}
    deadline = time.monotonic() + 6.0
    kills = 0
    position = len(made.seen)

    def hear(seconds: float) -> None:
        nonlocal position
        made.listen(seconds)
        for message in made.seen[position:]:
            if message["type"] == "started":
                keys[message["key"]] = message["pid"]
            elif message["type"] == "ended":
                made.send("start", key=message["key"], argument="")
        position = len(made.seen)

    while time.monotonic() < deadline:
        own = made.own()
        victims = [
            *keys.values(),
            *keys.values(),
            own["forkserver"],
            own["writer"],
            made.control_pid,
        ]
        victim = chance.choice([pid for pid in victims if pid])
        try:
            os.kill(victim, signal.SIGKILL)
            kills += 1
        except ProcessLookupError:
            pass
        if victim == made.control_pid:
            table = {line["key"]: line["pid"] for line in made.meet()["table"]}
            position = 0
            keys = {key: table.get(key, 0) for key in keys}
            for key, pid in keys.items():
                if not pid:
                    made.send("start", key=key, argument="")
        hear(0.02)
    assert kills > 50
    assert "cannot continue" not in made.errors()

    def settled() -> bool:
        hear(0.05)
        names = sorted(name for name in made.living().values() if name.startswith("loop:"))
        return names == sorted(keys) and all(is_alive(pid) for pid in keys.values())

    until(settled, seconds=20.0)
    living = {name: pid for pid, name in made.living().items()}
    assert {key: living[key] for key in keys} == keys
    assert sorted(living) == sorted([*keys, "control", "writer", "spare", "python"])
