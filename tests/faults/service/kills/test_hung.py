"""Which process is hung: one of which no thread runs any more, and not one that is blocked by its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import Loop, LoopState, Outcome
from tests.support.processes.process_marks import none_left
from tests.support.service.daemon import Daemon, daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

HUNG_AFTER = 1.5
BLOCKED = 3 * HUNG_AFTER
RULE = '''\
"""Make the file."""

import asyncio
import ctypes
import os
import time


async def condition(state):
    return not os.path.exists({base!r} + "/made")


async def action(ftl):
    asyncio.get_running_loop()
    with open({base!r} + "/blocked", "a") as file:
        print(os.getpid(), time.monotonic(), file=file, flush=True)
        {block}
        print(os.getpid(), time.monotonic(), file=file, flush=True)
    await ftl.shell(cmd="touch " + {base!r} + "/made")
'''
SLEEPS = f"time.sleep({BLOCKED})"
# The C function is called without giving up the interpreter's lock; in the first process only.
HOLDS = "if len(open(file.name).readlines()) == 1: ctypes.PyDLL(None).sleep(1000)"


def run(service: Daemon, block: str) -> Loop:
    """A loop whose rule blocks the event loop of its process."""
    rules = service.directory / "rules"
    rules.mkdir()
    (rules / "make.py").write_text(RULE.format(base=str(service.directory), block=block))
    service.start()
    service.submit("web", "the file exists", decider="rules", rules_dir=str(rules))
    until((service.directory / "blocked").exists)
    assert service.loop("web").state is LoopState.RUNNING
    return service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)


def begun_and_over(service: Daemon) -> list[tuple[int, float]]:
    """Process and time of each line that the rule has left before and after it held everything up."""
    lines = [line.split() for line in (service.directory / "blocked").read_text().splitlines()]
    return [(int(pid), float(at)) for pid, at in lines]


def test_a_loop_whose_event_loop_is_blocked_is_not_hung(tmp_path: Path) -> None:
    with daemon(tmp_path, supervisor=f"heartbeat = 0.2\nhung_after = {HUNG_AFTER}") as service:
        done = run(service, SLEEPS)
        assert (done.outcome, done.crashes) == (Outcome.CONVERGED, 0)
        (process, begun), (same, over) = begun_and_over(service)
        assert process == same
        assert over - begun >= BLOCKED
        assert service.crashes() == []
        assert "sent no heartbeat" not in service.output.read_text()
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)


def test_a_stopped_loop_process_is_hung_and_replaced(tmp_path: Path) -> None:
    with daemon(tmp_path, supervisor=f"heartbeat = 0.2\nhung_after = {HUNG_AFTER}") as service:
        done = run(service, HOLDS)
        assert (done.outcome, done.crashes) == (Outcome.CONVERGED, 1)
        (hung, _), (process, _), (same, _) = begun_and_over(service)
        assert hung != process == same
        assert [each.data["why"] for each in service.crashes()] == ["hung"]
        assert "sent no heartbeat" in service.output.read_text()
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)
