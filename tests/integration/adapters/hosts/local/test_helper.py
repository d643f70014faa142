"""The helper process and the supervisors that it forks: reuse, replacement after a kill, cost and imports."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from tests.support.loops.local_calls import run
from tests.support.places import REPOSITORY
from tests.support.processes.survivors import alive, end, mark, until


async def supervisor_of(modules: Ftl2Modules, cmd: str = "true") -> int:
    """The process that supervises the command."""
    return int((await run(modules, "shell", cmd=f"{cmd}\necho $PPID")).stdout)


async def test_a_prepared_helper_serves_the_first_call_and_ends_if_unused(tmp_path: Path) -> None:
    before = set(children_of(os.getpid()))
    for used in (True, False):
        made = Ftl2Modules(None, work_dir=tmp_path / "work", redact=lambda text: text)
        made.get_ready()
        made.get_ready()
        (helper,) = set(children_of(os.getpid())) - before
        if used:
            supervisor = await supervisor_of(made)
            assert supervisor in children_of(helper)
        await made.close()
        assert set(children_of(os.getpid())) == before


FORKED = """
import asyncio, json, os, pathlib, signal, sys
from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.local.calls import Helper, LocalCalls
from ftl2_enterprise.adapters.hosts.remote import server
from tests.support.loops.permitted import call_of

here = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
server.load_ahead()
helper = Helper.fork("calls:7")
assert not any(name.partition(".")[0] == "ftl2" for name in sys.modules)
results = []

async def main():
    local = LocalCalls(hidden=["HIDDEN"], helper=helper)
    modules = Ftl2Modules(None, work_dir=here / "work", redact=str, local=local)
    modules.get_ready()
    inspect = (
        "echo $PPID $(ps -o ppid= -p $PPID) ${HIDDEN-gone} $SHOWN $(readlink /proc/self/fd/0)\\n"
        "grep SigIgn /proc/self/status"
    )
    for module, params in [
        ("shell", {"cmd": inspect}),
        ("file", {"path": str(here / "made"), "state": "directory"}),
        ("copy", {"dest": str(here / "copied"), "content": "text"}),
        ("ping", {}),
        ("shell", {"cmd": "kill -9 $(ps -o ppid= -p $PPID); kill -9 $PPID"}),
        ("shell", {"cmd": inspect}),
    ]:
        result = await modules.run(call_of(modules, module, params, timeout=60))
        results.append([result.success, result.stdout, result.error])
    results.append([os.getpid()])
    await modules.close()

asyncio.run(main())
print(json.dumps(results))
"""


def test_a_forked_helper_behaves_like_an_executed_one(tmp_path: Path) -> None:
    """And hides what is hidden from its children; when it is killed, one is executed instead."""
    ran = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "HIDDEN": "secret", "SHOWN": "shown"}, cwd=REPOSITORY,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    shell, directory, copied, ping, killed, again, (parent,) = json.loads(ran.stdout)
    for ok, _, error in (shell, directory, copied, ping, again):
        assert ok, error
    assert not killed[0]
    assert (tmp_path / "made").is_dir()
    assert (tmp_path / "copied").read_text() == "text"
    for output in (shell[1], again[1]):
        assert output.splitlines()[0].split()[2:] == ["gone", "shown", "/dev/null"]
    assert not int(shell[1].split()[-1], 16) & 1 << (signal.SIGUSR1 - 1)
    assert shell[1].split()[1] != again[1].split()[1]
    assert str(parent) not in shell[1].split()[:2]


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("supervisor_too", [False, True])
async def test_a_helper_that_was_killed_is_replaced(modules: Ftl2Modules, *, supervisor_too: bool) -> None:
    supervisor = await supervisor_of(modules)
    helper = int((await run(modules, "shell", cmd="ps -o ppid= -p $PPID")).stdout)
    os.kill(helper, 9)
    if supervisor_too:
        os.kill(supervisor, 9)
    both = await asyncio.gather(*(run(modules, "shell", cmd="echo again") for _ in range(2)))
    assert [one.stdout for one in both] == ["again\n", "again\n"]


async def test_a_supervisor_serves_one_call_after_the_other(modules: Ftl2Modules) -> None:
    first = await supervisor_of(modules)
    assert await supervisor_of(modules, "exit 0 & wait") == first
    assert (await run(modules, "shell", cmd="nothing-of-that-name")).rc == 127
    assert await supervisor_of(modules) == first
    both = await asyncio.gather(supervisor_of(modules, "sleep 0.2"), supervisor_of(modules, "sleep 0.2"))
    assert len({*both}) == 2


async def test_a_supervisor_that_ended_while_it_was_idle_is_replaced(modules: Ftl2Modules, tmp_path: Path) -> None:
    first = await supervisor_of(modules)
    os.kill(first, 9)
    assert await supervisor_of(modules, f"echo once >> {tmp_path}/effects") != first
    assert (tmp_path / "effects").read_text() == "once\n"


async def test_processes_left_by_a_call_are_not_killed_with_the_next_one(modules: Ftl2Modules) -> None:
    unique = mark()
    first = await supervisor_of(modules, f"setsid sleep {unique} >/dev/null 2>&1 &")
    try:
        result = await run(modules, "shell", cmd="echo $PPID; sleep 60", timeout=0.5)
        assert result.timed_out
        assert int(result.stdout) != first
        assert len(alive(f"sleep {unique}")) == 1
    finally:
        end(alive(unique))


async def test_closing_leaves_no_supervisor(modules: Ftl2Modules) -> None:
    left = await asyncio.gather(*(supervisor_of(modules, "sleep 0.1") for _ in range(4)))
    await modules.close()
    assert until(lambda: not [pid for pid in left if Path(f"/proc/{pid}").exists()], limit=2.0)


async def test_a_call_whose_supervisor_is_killed_is_lost(modules: Ftl2Modules) -> None:
    result = await run(modules, "shell", cmd="kill -9 $PPID")
    assert (result.success, result.lost, result.error) == (False, True, "the helper process ended without a reply")
    assert not (await run(modules, "shell", cmd="exit 1")).lost


@pytest.mark.parametrize("module", ["stat", "file", "copy", "command"])
async def test_a_call_costs_little(modules: Ftl2Modules, tmp_path: Path, module: str) -> None:
    params: dict[str, Any] = {
        "stat": {"path": str(tmp_path)},
        "file": {"path": str(tmp_path / "d"), "state": "directory"},
        "copy": {"content": "x", "dest": str(tmp_path / "f")},
        "command": {"cmd": "true"},
    }[module]
    await run(modules, module, **params)
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        assert (await run(modules, module, **params)).success
        best = min(best, time.perf_counter() - start)
    assert best < 0.1


async def test_after_much_output_the_supervisor_is_replaced(modules: Ftl2Modules) -> None:
    first = await supervisor_of(modules, "head -c 2000000 /dev/zero >&2")
    assert await supervisor_of(modules) != first


def test_local_calls_import_neither_ftl2_nor_ssh(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib, sys
from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from tests.support.loops.permitted import call_of
async def main():
    modules = Ftl2Modules(None, work_dir=pathlib.Path({str(tmp_path)!r}), redact=str)
    for module, params in (("command", {{"cmd": "true"}}), ("file", {{"path": "/tmp", "state": "directory"}}),
                           ("stat", {{"path": "/"}})):
        assert (await modules.run(call_of(modules, module, params, timeout=9))).success
    await modules.close()
asyncio.run(main())
print(sorted({{"ftl2", "asyncssh", "httpx", "ansible"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_helper_of_commands_loads_little() -> None:
    program = (
        "import sys; sys.path.append('.'); import ftl2_enterprise.adapters.hosts.remote.server; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"asyncio", "inspect", "pathlib", "site", "tempfile", "typing"} & set(done.stdout.split())
