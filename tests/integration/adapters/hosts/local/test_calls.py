"""Calls on this machine: bounded in time, output and offspring."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.loops.ports import HostEntry, ModuleCall, ModuleResult
from tests.support.places import REPOSITORY
from tests.support.survivors import alive, end, mark, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MIB = 1 << 20


@pytest_asyncio.fixture
async def modules(tmp_path: Path) -> AsyncIterator[Ftl2Modules]:
    made = Ftl2Modules(None, work_dir=tmp_path / "work", redact=lambda text: text, capture_limit=MIB)
    yield made
    await made.close()


async def run(modules: Ftl2Modules, module: str, timeout: float = 30, **params: Any) -> ModuleResult:
    return await modules.run(ModuleCall(module=module, params=params, host="localhost", timeout=timeout))


# --- what a command says -------------------------------------------------------------------------------------------


async def test_a_command_tells_everything(modules: Ftl2Modules) -> None:
    result = await run(modules, "shell", cmd="echo out; echo err >&2")
    assert (result.success, result.changed, result.rc) == (True, True, 0)
    assert (result.stdout, result.stderr, result.error) == ("out\n", "err\n", None)
    assert result.output == {"cmd": "echo out; echo err >&2", "rc": 0}


async def test_an_exit_status_is_a_failure_with_a_reason(modules: Ftl2Modules) -> None:
    result = await run(modules, "command", cmd="echo first >&2; echo no such thing >&2; exit 3")
    assert (result.success, result.rc) == (False, 3)
    assert result.error == "exit status 3: no such thing"


async def test_argv_is_not_for_a_shell(modules: Ftl2Modules) -> None:
    result = await run(modules, "command", argv=["printf", "%s|", "$HOME", "a b"])
    assert result.stdout == "$HOME|a b|"


async def test_a_program_that_does_not_exist_is_a_failure(modules: Ftl2Modules) -> None:
    result = await run(modules, "command", argv=["/no/such/program"])
    assert not result.success
    assert result.error is not None
    assert "/no/such/program" in result.error


async def test_commands_know_ansibles_parameters(modules: Ftl2Modules, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    in_folder = await run(modules, "command", cmd="pwd; cat", chdir=str(tmp_path), stdin="given")
    assert in_folder.stdout == f"{tmp_path}\ngiven\n"
    created = await run(modules, "command", cmd="echo ran", creates="the*", chdir=str(tmp_path))
    assert (created.success, created.changed, created.stdout) == (True, False, "")
    removed = await run(modules, "command", cmd="echo ran", removes=str(tmp_path / "gone"))
    assert (removed.success, removed.changed) == (True, False)
    elsewhere = await run(modules, "command", cmd="pwd", chdir=str(tmp_path / "gone"))
    assert not elsewhere.success
    environment = await run(modules, "shell", cmd="echo $COLOUR", environment={"COLOUR": "blue"})
    assert environment.stdout == "blue\n"


async def test_a_wrong_parameter_is_refused_before_anything_runs(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "command", cmd=f"touch {tmp_path / 'ran'}", chdri="/")
    assert not result.success
    assert (result.error or "").startswith("cannot use the parameter chdri of command")
    assert not (tmp_path / "ran").exists()


async def test_bytes_that_are_not_utf8_do_not_fail_the_command(modules: Ftl2Modules) -> None:
    result = await run(modules, "shell", cmd=r"printf 'a\377b'")
    assert (result.success, result.stdout) == (True, "a\ufffdb")


async def test_80_mb_are_bounded_and_said_to_be(modules: Ftl2Modules) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = await run(modules, "shell", cmd="yes | head -c 80000000; echo end >&2")
    assert result.success
    assert result.truncated
    assert len(result.stdout) < MIB + 100
    assert result.stdout.endswith(f"[{80_000_000 - MIB} more bytes were not kept]\n")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024


# --- nothing survives, except what was started to survive ----------------------------------------------------------


def family(unique: str) -> str:
    """A command with a child, a grandchild in a session of its own, and an orphan of that."""
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
    result = await modules.run(ModuleCall(module="command", params=params, host="localhost", timeout=60))
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


async def test_a_slow_module_does_not_hold_up_the_loop(modules: Ftl2Modules, tmp_path: Path) -> None:
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


async def test_something_left_with_the_pipes_open_does_not_hold_the_command(modules: Ftl2Modules) -> None:
    unique = mark()
    start = time.monotonic()
    result = await run(modules, "shell", cmd=f"sleep {unique} & echo done")
    end(alive(unique))
    assert (result.success, result.stdout) == (True, "done\n")
    assert time.monotonic() - start < 5


def test_the_tree_of_a_process_that_is_killed_dies_with_it(tmp_path: Path) -> None:
    unique = mark()
    program = f"""
import asyncio, pathlib
from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.loops.ports import Call
modules = Ftl2Modules(None, work_dir=pathlib.Path({str(tmp_path)!r}), redact=str)
call = Call(module="shell", params={{"cmd": "setsid sleep {unique}"}}, host="localhost", timeout=60)
asyncio.run(modules.run(call))
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY)
    assert until(lambda: alive(f"sleep {unique}"))
    process.kill()
    process.wait()
    assert until(lambda: not alive(unique))


async def supervisor_of(modules: Ftl2Modules, cmd: str = "true") -> int:
    """The process that supervises the command."""
    return int((await run(modules, "shell", cmd=f"{cmd}\necho $PPID")).stdout)


async def test_a_helper_that_is_made_ready_serves_the_first_call_and_ends_unused_too(tmp_path: Path) -> None:
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
from ftl2_enterprise.loops.ports import Call

here = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
server.load_ahead()
helper = Helper.fork("calls:7")
assert not any(name.partition(".")[0] == "ftl2" for name in sys.modules)
told = []

async def main():
    local = LocalCalls(hidden=["HIDDEN"], helper=helper)
    modules = Ftl2Modules(None, work_dir=here / "work", redact=str, local=local)
    modules.get_ready()
    looks = (
        "echo $PPID $(ps -o ppid= -p $PPID) ${HIDDEN-gone} $SHOWN $(readlink /proc/self/fd/0)\\n"
        "grep SigIgn /proc/self/status"
    )
    for module, params in [
        ("shell", {"cmd": looks}),
        ("file", {"path": str(here / "made"), "state": "directory"}),
        ("copy", {"dest": str(here / "copied"), "content": "text"}),
        ("ping", {}),
        ("shell", {"cmd": "kill -9 $(ps -o ppid= -p $PPID); kill -9 $PPID"}),
        ("shell", {"cmd": looks}),
    ]:
        result = await modules.run(Call(module=module, params=params, host="localhost", timeout=60))
        told.append([result.success, result.stdout, result.error])
    told.append([os.getpid()])
    await modules.close()

asyncio.run(main())
print(json.dumps(told))
"""


def test_a_helper_that_is_forked_does_what_one_that_is_executed_does(tmp_path: Path) -> None:
    """And tells nobody what is hidden; when it is killed, one is executed instead."""
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
    for told in (shell[1], again[1]):
        assert told.splitlines()[0].split()[2:] == ["gone", "shown", "/dev/null"]
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


async def test_what_a_call_has_left_is_not_of_the_next_ones_tree(modules: Ftl2Modules) -> None:
    unique = mark()
    first = await supervisor_of(modules, f"setsid sleep {unique} >/dev/null 2>&1 &")
    try:
        result = await run(modules, "shell", cmd="echo $PPID; sleep 60", timeout=0.5)
        assert result.timed_out
        assert int(result.stdout) != first
        assert len(alive(f"sleep {unique}")) == 1
    finally:
        end(alive(unique))


async def test_after_much_output_the_memory_is_given_back(modules: Ftl2Modules) -> None:
    first = await supervisor_of(modules, "head -c 2000000 /dev/zero >&2")
    assert await supervisor_of(modules) != first


async def test_closing_leaves_no_supervisor(modules: Ftl2Modules) -> None:
    left = await asyncio.gather(*(supervisor_of(modules, "sleep 0.1") for _ in range(4)))
    await modules.close()
    assert until(lambda: not [pid for pid in left if Path(f"/proc/{pid}").exists()], limit=2.0)


async def test_a_call_whose_supervisor_is_killed_is_lost(modules: Ftl2Modules) -> None:
    result = await run(modules, "shell", cmd="kill -9 $PPID")
    assert (result.success, result.lost, result.error) == (False, True, "the helper process ended without a reply")
    assert not (await run(modules, "shell", cmd="exit 1")).lost


# --- modules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("service_facts", {}),
        ("group", {"name": "root"}),
        ("ansible.builtin.find", {"paths": "/etc"}),
        ("getent", {"database": "passwd", "key": "root"}),
        ("ansible.builtin.command", {"cmd": "true"}),
    ],
)
async def test_modules_that_ftl2_refuses_or_misnames_here_work(
    modules: Ftl2Modules, module: str, params: dict[str, Any]
) -> None:
    result = await run(modules, module, **params)
    assert result.error is None
    assert result.success


async def test_git_works_and_tells_why_it_does_not(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "git", repo=str(tmp_path / "nowhere"), dest=str(tmp_path / "here"))
    assert not result.success
    assert result.error is not None
    assert "nowhere" in result.error
    assert "JSON" not in result.error


async def test_a_module_that_fails_says_so(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "lineinfile", path=str(tmp_path / "none"), line="x")
    assert (result.success, result.changed) == (False, False)
    assert "does not exist" in (result.error or "")


async def test_results_do_not_repeat_the_parameters(modules: Ftl2Modules) -> None:
    result = await run(modules, "stat", path="/")
    assert "invocation" not in result.output


async def test_parameters_that_json_cannot_hold_are_text(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "stat", path=tmp_path)
    assert result.success
    assert result.output["stat"]["isdir"] is True


async def test_modules_with_two_lives_take_the_parameters_of_both(modules: Ftl2Modules, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("ready")
    result = await run(modules, "wait_for", path=str(tmp_path / "f"), search_regex="ready", timeout=5)
    assert result.success, result.error


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


# --- secrets and redaction -----------------------------------------------------------------------------------------


async def test_injected_values_and_what_is_redacted_never_come_back(tmp_path: Path) -> None:
    secret = 'pass"word\nof two lines'
    modules = Ftl2Modules(
        None,
        work_dir=tmp_path,
        redact=lambda text: text.replace("hunter2", "***"),
        secrets=lambda module, params: {**params, "stdin": secret} if module == "shell" else params,
    )
    try:
        result = await run(modules, "shell", cmd="echo hunter2; tee /dev/stderr; exit 1")
        assert secret not in result.stdout + result.stderr
        assert "***" in result.stdout
        assert "hunter2" not in str(result.output) + str(result.error)
        assert "of two lines" not in f"{result.stdout}{result.stderr}{result.output}{result.error}"
    finally:
        await modules.close()


async def test_secrets_that_come_back_inside_json_are_hidden(tmp_path: Path) -> None:
    modules = Ftl2Modules(
        None,
        work_dir=tmp_path,
        redact=lambda text: text,
        secrets=lambda _, params: {**params, "line": 'to"ken=\\x'},
    )
    try:
        result = await run(modules, "lineinfile", path=str(tmp_path / "f"), create=True, state="absent")
        assert 'to"ken' not in str(result)
        assert "to\\" not in str(result)
    finally:
        await modules.close()


# --- hosts ---------------------------------------------------------------------------------------------------------


async def test_a_host_with_a_local_connection_is_this_machine(modules: Ftl2Modules) -> None:
    modules.add_host(HostEntry(name="here", groups=("g",), vars={"ansible_connection": "local"}))
    result = await modules.run(ModuleCall(module="command", params={"cmd": "echo hi"}, host="here", timeout=5))
    assert result.stdout == "hi\n"
    assert modules.environment_facts("here") == {"groups": ["g"]}
    modules.remove_host("here")
    gone = await modules.run(ModuleCall(module="command", params={"cmd": "echo hi"}, host="here", timeout=5))
    assert not gone.success
    assert "cannot find the host here" in (gone.error or "")


async def test_become_is_refused_where_ftl2_would_ignore_it(tmp_path: Path) -> None:
    inventory = Inventory()
    inventory.host("here").update(ansible_connection="local", ansible_become="yes")
    modules = Ftl2Modules(inventory.settle(), work_dir=tmp_path, redact=lambda text: text)
    assert "cannot become" in (modules.refuse("command", "here") or "")
    result = await modules.run(ModuleCall(module="command", params={"cmd": "id"}, host="here", timeout=5))
    assert not result.success
    await modules.close()


def test_local_calls_import_neither_ftl2_nor_ssh(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib, sys
from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.loops.ports import Call
async def main():
    modules = Ftl2Modules(None, work_dir=pathlib.Path({str(tmp_path)!r}), redact=str)
    for module, params in (("command", {{"cmd": "true"}}), ("file", {{"path": "/tmp", "state": "directory"}}),
                           ("stat", {{"path": "/"}})):
        assert (await modules.run(Call(module=module, params=params, host="localhost", timeout=9))).success
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
