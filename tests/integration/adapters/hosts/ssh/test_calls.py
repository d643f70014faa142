"""Calls on real SSH hosts: an sshd of our own, throw-away keys, the system's Python on the other side."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.adapters.hosts.ssh import calls as ssh_calls, ftl2_context
from ftl2_enterprise.loops.ports import HostEntry, ModuleResult
from tests.support.loops.permitted import call_of
from tests.support.processes import sshd
from tests.support.processes.survivors import alive, below, end, mark, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.ssh, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
MIB = 1 << 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def modules(server: sshd.Sshd, work: Path) -> AsyncIterator[Ftl2Modules]:
    inventory = Inventory()
    inventory.host("web").update(server.host_vars())
    inventory.host("refused").update(server.host_vars(ansible_port=sshd.free_port()))
    inventory.group("pair").members.update({"web": None, "refused": None})
    made = Ftl2Modules(inventory.settle(), work_dir=work, redact=lambda text: text, capture_limit=MIB)
    yield made
    await made.close()


async def run(
    modules: Ftl2Modules, module: str, host: str = "web", timeout: float = 60, **params: Any
) -> ModuleResult:
    return await modules.run(call_of(modules, module, params, host=host, timeout=timeout))


# --- what works ----------------------------------------------------------------------------------------------------


async def test_a_command_returns_status_and_output(modules: Ftl2Modules) -> None:
    result = await run(modules, "shell", cmd="echo out; echo why >&2; exit 3")
    assert (result.success, result.changed, result.rc) == (False, True, 3)
    assert (result.stdout, result.stderr, result.error) == ("out\n", "why\n", "exit status 3: why")


async def test_full_names_of_ftl2s_own_modules_work(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "ansible.builtin.command", argv=["echo", "$HOME"])
    assert result.stdout == "$HOME\n"
    made = await run(modules, "ansible.builtin.file", path=str(tmp_path / "d"), state="directory", mode="0750")
    again = await run(modules, "ansible.builtin.file", path=str(tmp_path / "d"), state="directory", mode="0750")
    assert (made.changed, again.changed) == (True, False)


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("stat", {"path": "/"}),
        ("find", {"paths": "/etc/ssh"}),
        ("getent", {"database": "passwd", "key": "root"}),
        ("group", {"name": "root"}),
        ("wait_for", {"path": "/"}),
    ],
)
async def test_ansible_style_modules_work(modules: Ftl2Modules, module: str, params: dict[str, Any]) -> None:
    result = await run(modules, module, **params)
    assert result.error is None
    assert (result.success, result.changed) == (True, False)


async def test_the_stdout_that_a_collection_module_returns_is_kept(
    modules: Ftl2Modules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # FTL2 itself takes a result's `stdout` for the whole result, and reports that it is not JSON.
    folder = tmp_path / "ansible_collections" / "acme" / "tools" / "plugins" / "modules"
    folder.mkdir(parents=True)
    (folder / "tell.py").write_text(
        "from ansible.module_utils.basic import AnsibleModule\n"
        "def main():\n"
        "    AnsibleModule(argument_spec={}).exit_json(changed=True, stdout='plain', stderr='words', rc=0)\n"
    )
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path))
    result = await run(modules, "acme.tools.tell")
    assert result.error is None
    assert (result.success, result.changed, result.stdout, result.stderr) == (True, True, "plain", "words")


async def test_a_crashing_module_reports_its_error(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "systemd", name="no-such-unit-here", state="started")
    assert not result.success
    assert "JSON" not in (result.error or "JSON")


async def test_a_failing_module_reports_its_error(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "lineinfile", path=str(tmp_path / "none"), line="x")
    assert not result.success
    assert "does not exist" in (result.error or "")


async def test_five_megabytes_are_copied_once(modules: Ftl2Modules, tmp_path: Path) -> None:
    content = os.urandom(2_500_000).hex()
    dest = tmp_path / "f"
    first = await run(modules, "copy", content=content, dest=str(dest), mode="0640")
    second = await run(modules, "copy", content=content, dest=str(dest), mode="0640")
    assert (first.changed, second.changed) == (True, False)
    assert dest.read_text() == content
    assert stat.S_IMODE(dest.stat().st_mode) == 0o640


async def test_files_and_templates_come_from_this_machine(modules: Ftl2Modules, tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{{ inventory_hostname }} {{ x }}\n")
    params: dict[str, Any] = {"src": str(tmp_path / "t.j2"), "dest": str(tmp_path / "out"), "variables": {"x": 1}}
    first, second = await run(modules, "template", **params), await run(modules, "template", **params)
    assert (first.changed, second.changed) == (True, False)
    assert (tmp_path / "out").read_text() == "web 1\n"
    copied = await run(modules, "copy", src=str(tmp_path / "out"), dest=str(tmp_path / "out2"))
    assert copied.changed
    moved = await run(modules, "copy", src=str(tmp_path / "out2"), dest=str(tmp_path / "out3"), remote_src=True)
    assert (moved.changed, (tmp_path / "out3").read_text()) == (True, "web 1\n")


async def test_calls_on_one_host_run_concurrently(modules: Ftl2Modules) -> None:
    await run(modules, "command", cmd="true")
    start = time.monotonic()
    results = await asyncio.gather(*(run(modules, "command", cmd="sleep 1") for _ in range(6)))
    assert all(result.success for result in results)
    assert time.monotonic() - start < 4  # FTL2's own `command` would take six seconds


# --- bounds --------------------------------------------------------------------------------------------------------


async def test_80_mb_and_bytes_that_are_not_text_are_bounded(modules: Ftl2Modules) -> None:
    result = await run(modules, "shell", cmd="yes | head -c 80000000; printf '\\377' >&2")
    assert (result.success, result.truncated, result.stderr) == (True, True, "\ufffd")
    assert len(result.stdout) < MIB + 100


def family(unique: str) -> str:
    return f"setsid sh -c 'sleep {unique} & wait' & (setsid sleep {unique} &) ; sleep {unique}"


async def test_a_timeout_kills_the_whole_tree(modules: Ftl2Modules) -> None:
    unique = mark()
    result = await run(modules, "shell", cmd=f"echo begun; {family(unique)}", timeout=1)
    assert (result.success, result.timed_out, result.stdout) == (False, True, "begun\n")
    assert alive(unique) == []


async def test_cancelling_kills_the_whole_tree_before_it_returns(modules: Ftl2Modules) -> None:
    unique = mark()
    task = asyncio.create_task(run(modules, "shell", cmd=family(unique)))
    assert await asyncio.to_thread(until, lambda: len(alive(f"sleep {unique}")) >= 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(unique) == []
    assert (await run(modules, "command", cmd="echo next")).stdout == "next\n"


async def test_a_call_that_is_cancelled_before_it_began_never_begins(modules: Ftl2Modules, tmp_path: Path) -> None:
    await run(modules, "command", cmd="true")
    for delay in (0, 0.005, 0.02):
        task = asyncio.create_task(run(modules, "shell", cmd=f"sleep 1; touch {tmp_path}/ran"))
        await asyncio.sleep(delay)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await run(modules, "command", cmd="sleep 1.5")
    assert not (tmp_path / "ran").exists()


async def test_a_detached_daemon_stays(modules: Ftl2Modules) -> None:
    unique = mark()
    result = await run(modules, "shell", cmd=f"setsid sleep {unique} </dev/null >/dev/null 2>&1 & echo begun")
    try:
        assert result.success
        assert len(alive(f"sleep {unique}")) == 1
    finally:
        end(alive(unique))


# --- what goes wrong -----------------------------------------------------------------------------------------------


async def test_a_host_that_refuses_is_a_failed_result_with_one_line(modules: Ftl2Modules) -> None:
    good, bad = await asyncio.gather(*(run(modules, "command", host=host, cmd="echo hi")
                                       for host in modules.expand("pair")))  # fmt: skip
    assert good.stdout == "hi\n"
    assert not bad.success
    assert bad.error is not None
    assert bad.error.startswith("cannot reach refused (")
    assert bad.error.endswith("): the connection was refused")
    assert not bad.lost
    assert "\n" not in bad.error


async def test_a_host_to_which_no_connection_is_made_is_tried_once(
    modules: Ftl2Modules, server: sshd.Sshd, tmp_path: Path
) -> None:
    accepted: list[asyncio.StreamWriter] = []

    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        modules.add_host(HostEntry(name="resetting", vars=server.host_vars(ansible_port=port)))
        result = await run(modules, "command", host="resetting", cmd="true")
    assert (result.success, result.lost) == (False, False)
    # The loop tries again, with pauses of its own and without the other hosts waiting for it.
    assert len(accepted) == 1


async def test_a_wrong_key_is_a_failed_result(modules: Ftl2Modules, server: sshd.Sshd, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    known = server.host_vars(ansible_ssh_private_key_file=str(tmp_path / "other"))
    modules.add_host(HostEntry(name="stranger", vars=known))
    result = await run(modules, "command", host="stranger", cmd="true")
    assert not result.success
    assert "authentication failed" in (result.error or "")


async def test_an_unknown_host_key_is_refused(modules: Ftl2Modules, server: sshd.Sshd) -> None:
    modules.add_host(HostEntry(name="unverified", vars=server.host_vars(disable_host_key_checking=False)))
    result = await run(modules, "command", host="unverified", cmd="true")
    assert not result.success
    assert "ost key" in (result.error or "")


def connections(port: int) -> int:
    """Established connections to the port, from this machine's own table."""
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


async def test_a_gate_that_does_not_start_is_a_failed_result(
    modules: Ftl2Modules, server: sshd.Sshd, tmp_path: Path
) -> None:
    await run(modules, "command", cmd="true")
    before = connections(server.port)
    broken = tmp_path / "python"
    broken.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo Python 3.10.0 || { echo one; echo no luck; exit 1; } >&2\n"
    )
    broken.chmod(0o755)
    modules.add_host(HostEntry(name="old", vars=server.host_vars(ansible_python_interpreter=str(broken))))
    result = await run(modules, "command", host="old", cmd="true")
    assert not result.success
    assert (result.error or "").startswith("cannot reach old (")
    assert (result.error or "").endswith("no luck")
    assert await asyncio.to_thread(until, lambda: connections(server.port) <= before)


async def test_the_same_name_with_another_address_is_another_host(modules: Ftl2Modules, server: sshd.Sshd) -> None:
    modules.add_host(HostEntry(name="moving", vars=server.host_vars()))
    assert (await run(modules, "command", host="moving", cmd="true")).success
    modules.add_host(HostEntry(name="moving", vars=server.host_vars(ansible_port=sshd.free_port())))
    assert not (await run(modules, "command", host="moving", cmd="true")).success


async def test_a_lost_connection_is_a_failed_result_and_the_next_call_reconnects(
    modules: Ftl2Modules, server: sshd.Sshd
) -> None:
    unique = mark()
    session = await run(modules, "shell", cmd="ps -o ppid= -p $PPID | xargs ps -o ppid= -p")
    gate = int(session.stdout)
    task = asyncio.create_task(run(modules, "shell", cmd=f"sleep {unique}"))
    assert await asyncio.to_thread(until, lambda: alive(f"sleep {unique}"))
    # Only the gates of this server: another process may have connections of its own to other ones.
    end([gate, *below(server.pid, "ftl_gate_")])
    result = await task
    assert (result.success, result.lost) == (False, True)
    assert (result.error or "").startswith("cannot ")
    assert (await run(modules, "command", cmd="echo back")).stdout == "back\n"
    end(alive(unique))


# --- its surroundings ----------------------------------------------------------------------------------------------


async def test_nothing_is_written_outside_the_working_directory(
    server: sshd.Sshd, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "cwd").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "cwd")
    inventory = Inventory()
    inventory.host("web").update(server.host_vars())
    inventory.host("refused").update(server.host_vars(ansible_port=sshd.free_port()))
    own = Ftl2Modules(inventory.settle(), work_dir=work, redact=lambda text: text)
    assert (await run(own, "command", cmd="true")).success
    assert not (await run(own, "command", host="refused", cmd="true")).success
    await own.close()
    assert list((tmp_path / "home").rglob("*")) == []
    assert list((tmp_path / "cwd").iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("ftl2").propagate
    assert not any(isinstance(handler, logging.FileHandler) for handler in logging.getLogger("ftl2").handlers)


async def test_a_worn_context_is_replaced(server: sshd.Sshd, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    original = ftl2_context.open_context
    monkeypatch.setattr(ftl2_context, "open_context", lambda folder: (opened.append(folder), original(folder))[1])
    monkeypatch.setattr(ssh_calls, "RECYCLE_CALLS", 2)
    inventory = Inventory()
    inventory.host("web").update(server.host_vars())
    own = Ftl2Modules(inventory.settle(), work_dir=work, redact=lambda text: text)
    slow = asyncio.create_task(run(own, "command", cmd="sleep 1; echo slow"))
    for _ in range(4):
        assert (await run(own, "command", cmd="true")).success
    assert (await slow).stdout == "slow\n"
    await own.close()
    assert len(opened) == 3


async def test_injected_values_are_not_returned(server: sshd.Sshd, work: Path) -> None:
    inventory = Inventory()
    inventory.host("web").update(server.host_vars())
    own = Ftl2Modules(
        inventory.settle(), work_dir=work, redact=lambda text: text,
    )  # fmt: skip
    params = {"cmd": "cat; exit 1", "stdin": "s3cret-value"}
    result = await own.run(call_of(own, "shell", params, host="web", injected=["stdin"]))
    await own.close()
    assert result.stdout == "[redacted]\n"
    assert "s3cret" not in str(result)


async def test_a_gate_is_built_without_a_package_index(
    server: sshd.Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("uv", "pip"):
        (tmp_path / program).write_text(f"#!/bin/sh\necho {program} >> {tmp_path}/started\nexit 1\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    inventory = Inventory()
    inventory.host("web").update(server.host_vars())
    own = Ftl2Modules(inventory.settle(), work_dir=tmp_path / "empty", redact=lambda text: text)
    result = await run(own, "command", cmd="echo reached")
    await own.close()
    assert (result.success, result.stdout) == (True, "reached\n")
    assert not (tmp_path / "started").exists()


async def test_the_reason_is_reported_why_a_gate_cannot_be_built(server: sshd.Sshd, tmp_path: Path) -> None:
    inventory = Inventory()
    inventory.host("web").update(server.host_vars())
    (tmp_path / "gates").touch()
    own = Ftl2Modules(inventory.settle(), work_dir=tmp_path, redact=lambda text: text)
    result = await run(own, "command", cmd="true")
    await own.close()
    assert (result.error or "").startswith("cannot build FTL2's gate, with which hosts are reached: ")
    assert "File exists" in (result.error or "")
