"""The end of a call is the end of its process tree: time limits, cancellation, kills, and daemons that may stay."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.loops.local_calls import run
from tests.support.loops.permitted import call_of
from tests.support.places import REPOSITORY
from tests.support.processes.survivors import alive, end, mark, until

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules


def family(unique: str) -> str:
    """A command with a child, a grandchild in its own session, and an orphan of that."""
    return (
        f"setsid sh -c 'sleep {unique} & setsid sleep {unique} & wait' & (setsid sleep {unique} &) ; sleep {unique}"
    )


async def test_a_timeout_kills_the_whole_tree(modules: Ftl2Modules) -> None:
    unique = mark()
    start = time.monotonic()
    result = await run(modules, "shell", cmd=f"echo begun; {family(unique)}", timeout=0.5)
    assert time.monotonic() - start < 5
    assert (result.success, result.timed_out, result.stdout) == (False, True, "begun\n")
    assert result.error == "timed out after 0.5 s and was killed"
    assert alive(unique) == []


async def test_the_commands_own_timeout_counts_when_it_is_shorter(modules: Ftl2Modules) -> None:
    params = {"cmd": f"sleep {mark()}", "timeout": 0.3}
    result = await modules.run(call_of(modules, "command", params, timeout=60))
    assert (result.timed_out, result.error) == (True, "timed out after 0.3 s and was killed")


async def test_cancelling_kills_the_whole_tree_before_it_returns(modules: Ftl2Modules) -> None:
    unique = mark()
    task = asyncio.create_task(run(modules, "shell", cmd=family(unique)))
    assert await asyncio.to_thread(until, lambda: len(alive(f"sleep {unique}")) >= 4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(unique) == []


async def test_closing_kills_what_still_runs(modules: Ftl2Modules) -> None:
    unique = mark()
    task = asyncio.create_task(run(modules, "shell", cmd=family(unique)))
    assert await asyncio.to_thread(until, lambda: len(alive(f"sleep {unique}")) >= 4)
    await modules.close()
    assert alive(unique) == []
    assert task.cancelled()


async def test_a_program_that_ignores_signals_and_forks_is_killed_too(modules: Ftl2Modules) -> None:
    unique = mark()
    script = f"trap '' TERM INT HUP; while :; do (trap '' TERM; sleep {unique}) & sleep 0.01; done"
    result = await run(modules, "shell", cmd=script, timeout=0.5)
    assert result.timed_out
    assert alive(unique) == []


async def test_an_ansible_style_module_that_hangs_is_killed(modules: Ftl2Modules, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    start = time.monotonic()
    result = await run(modules, "slurp", src=str(tmp_path / "pipe"), timeout=1)
    assert (result.success, result.timed_out) == (False, True)
    assert time.monotonic() - start < 5


async def test_a_slow_module_does_not_block_the_event_loop(modules: Ftl2Modules, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    hanging = asyncio.create_task(run(modules, "slurp", src=str(tmp_path / "pipe"), timeout=2))
    quick = await asyncio.wait_for(run(modules, "stat", path=str(tmp_path)), 1.5)
    assert quick.success
    assert not hanging.done()
    assert (await hanging).timed_out


async def test_a_detached_daemon_stays_when_the_command_returns(modules: Ftl2Modules) -> None:
    unique = mark()
    result = await run(modules, "shell", cmd=f"setsid sleep {unique} </dev/null >/dev/null 2>&1 & echo begun")
    try:
        assert result.success
        assert len(alive(f"sleep {unique}")) == 1
        await modules.close()
        assert len(alive(f"sleep {unique}")) == 1
    finally:
        end(alive(unique))


async def test_a_process_that_keeps_the_pipes_open_does_not_block_the_command(modules: Ftl2Modules) -> None:
    unique = mark()
    start = time.monotonic()
    result = await run(modules, "shell", cmd=f"sleep {unique} & echo done")
    end(alive(unique))
    assert (result.success, result.stdout) == (True, "done\n")
    assert time.monotonic() - start < 5


def test_killing_the_process_kills_its_tree(tmp_path: Path) -> None:
    unique = mark()
    program = f"""
import asyncio, pathlib, sys
from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from tests.support.loops.permitted import call_of
modules = Ftl2Modules(None, work_dir=pathlib.Path({str(tmp_path)!r}), redact=str)
call = call_of(modules, "shell", {{"cmd": "setsid sleep " + sys.argv[1]}}, timeout=60)
asyncio.run(modules.run(call))
"""
    # Its own command line must not pass for the one of its call.
    process = subprocess.Popen([sys.executable, "-c", program, unique], cwd=REPOSITORY)
    assert until(lambda: alive(f"sleep {unique}"))
    assert process.poll() is None
    process.kill()
    process.wait()
    assert until(lambda: not alive(unique))
