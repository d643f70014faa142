"""Promise: control may die at any moment. Loops continue, clients are served again at once and miss no fact."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.loops.verbs import ListLoops, PauseLoop, ResumeLoop
from ftl2_enterprise.protocol.service.verbs import GetHealth, ListEvents, WatchEvents
from tests.support.processes.process_marks import none_left
from tests.support.service.daemon import Daemon, daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

STEADY = """
version: 1
name: {name}
steps:
  - name: slow
    check: {{path: {flag}, state: file}}
    action: {{module: shell, params: {{cmd: "while ! test -e {flag}; do sleep 0.05; done"}}}}
"""
KILLS = 5
BACK = 15.0
"""Seconds within which an answer comes at all, also on a busy machine and when root waits before it starts the same
process again and again. No goal: how long the gap is, `make bench` measures."""


def begin(service: Daemon, flag: Path, count: int) -> dict[str, int]:
    """Loops in the middle of an action; their pids."""
    for number in range(count):
        service.submit(f"loop{number}", STEADY.format(name=f"loop{number}", flag=flag))

    def running() -> dict[str, int]:
        lines = service.lines()
        found = {name: line.pid for name, line in lines.items() if line.pid and line.state is LoopState.RUNNING}
        return found if len(found) == count else {}

    return until(running)


def test_loops_do_not_notice_and_clients_get_answers_again(tmp_path: Path) -> None:
    flag = tmp_path / "go-on"
    with daemon(tmp_path) as service:
        service.start()
        before = begin(service, flag, 5)
        gaps = [service.gap(seconds=BACK) for _ in range(KILLS)]
        print(f"gaps in seconds: {[round(gap, 3) for gap in gaps]}")
        lines = service.lines()
        assert {name: line.pid for name, line in lines.items()} == before
        restarts = {one.name: one.restarts for one in service.call(GetHealth()).processes}
        assert restarts["control"] == KILLS
        flag.touch()
        for name in before:
            service.until_state(name, LoopState.COMPLETED)
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)


def test_calls_and_watches_fail_when_the_connection_is_lost(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        service.start()
        with service.connect() as watching, service.connect() as asking:
            watch = watching.watch(WatchEvents())
            assert asking.call(ListLoops()).loops == []
            service.kill("control")
            for call in (lambda: next(watch), lambda: asking.call(ListLoops())):
                with pytest.raises(Problem) as lost:
                    call()
                assert lost.value.code is Code.UNAVAILABLE
        until(service.answers)
        assert service.stop() == 0


def test_a_reader_with_a_cursor_misses_no_fact(tmp_path: Path) -> None:
    flag = tmp_path / "go-on"
    with daemon(tmp_path) as service:
        service.start()
        seen: list[int] = []
        over = threading.Event()

        def follow() -> None:
            while not over.is_set():
                with contextlib.suppress(Problem), service.connect() as client:
                    for event in client.watch(WatchEvents(after=seen[-1] if seen else 0)):
                        seen.append(event.id)
                        if over.is_set():
                            return

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        begin(service, flag, 3)
        for _ in range(4):
            service.gap(seconds=BACK)
            for verb in (PauseLoop(loop="loop0"), ResumeLoop(loop="loop0")):
                with contextlib.suppress(Problem):
                    service.call(verb)
        flag.touch()
        for number in range(1, 3):
            service.until_state(f"loop{number}", LoopState.COMPLETED)
        last = service.call(ListEvents(newest=True, limit=1)).cursor
        until(lambda: seen and seen[-1] >= last)
        over.set()
        assert seen == list(range(1, len(seen) + 1))
        service.stop()
        thread.join(10)
        assert not thread.is_alive()
