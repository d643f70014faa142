"""The read-only sandbox on a host that is reached over SSH, as root and as another user."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.adapters.hosts.ssh.calls import HostUnreachable, SshCalls
from tests.support.processes import fence_target, fenced_calls, gates, hostile_commands as hostile, sshd
from tests.support.processes.fence_target import FenceTarget
from tests.support.processes.survivors import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ftl2_enterprise.loops.ports import HostEntry

    type Performed = tuple[dict[str, Any], bytes, bytes]

pytestmark = [pytest.mark.ssh, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]
AT_ONCE = 8
COMMANDS = [
    *(text for texts in hostile.HARMFUL.values() for text in texts), *hostile.KERNEL, *hostile.SYSTEM, *hostile.CALLS
]  # fmt: skip


TRIED = {"root": COMMANDS[::2], "user": COMMANDS[1::2]}
"""Each command is tried over SSH as one of the users; locally, all of them are tried as both."""


@pytest.fixture(scope="module", params=list(TRIED))
def user(request: pytest.FixtureRequest) -> int:
    found = 0 if request.param == "root" else (os.geteuid() or fenced_calls.USER)
    why = fenced_calls.missing(found)
    if why:
        pytest.skip(why)
    return found


@pytest.fixture(scope="module")
def home(user: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="home-") as made:
        if os.geteuid() == 0:
            os.chown(made, user, user)
        yield Path(made)


@pytest.fixture(scope="module")
def interpreter(user: int, home: Path) -> str:
    """The Python of the host; where sshd runs as root, a program that starts it as the other user."""
    if user == os.geteuid():
        return sshd.interpreter()
    program = home / "python"
    program.write_text(
        # What sshd, as root, has copied to the home belongs to root.
        f"#!/bin/sh\nchown -R {user}:{user} {home}/.ftl 2>/dev/null\n"
        f'exec setpriv --reuid={user} --regid={user} --clear-groups {sshd.interpreter()} "$@"\n'
    )
    program.chmod(0o755)
    return str(program)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(tmp_path_factory: pytest.TempPathFactory, interpreter: str) -> AsyncIterator[SshCalls]:
    made = SshCalls(gates.build(tmp_path_factory.mktemp("work"), interpreter))
    yield made
    await made.close()


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory, home: Path, interpreter: str) -> Iterator[HostEntry]:
    try:
        with sshd.running(tmp_path_factory.mktemp("sshd"), home) as server:
            inventory = Inventory()
            inventory.host("web").update(server.host_vars(ansible_python_interpreter=interpreter))
            found = inventory.settle().entry("web")
            assert found is not None
            yield found
    except sshd.CannotStart as error:
        pytest.skip(str(error))


async def shell(calls: SshCalls, entry: HostEntry, text: str, **more: Any) -> Performed:
    request = {"kind": "command", "argv": ["/bin/sh", "-c", text], "stdin": None, "timeout": 30, "limit": 1 << 20}
    return await calls.perform(entry, {**request, "environment": {}, **more}, lambda: True)


async def test_a_command_reads_and_writes_nothing(calls: SshCalls, entry: HostEntry, user: int, home: Path) -> None:
    text = f"id -u; cat /etc/hostname; touch {home}/new"
    head, out, err = await shell(calls, entry, text, fence="sandbox")
    assert (head["fenced"], head["rc"]) == (True, 1)
    assert out.split()[0] == str(user).encode()
    assert b"Read-only file system" in err
    assert not (home / "new").exists()
    assert (await shell(calls, entry, text))[0]["rc"] == 0
    assert (home / "new").exists()


async def test_our_code_is_kept_on_the_host_for_the_next_calls(
    calls: SshCalls, entry: HostEntry, user: int, home: Path
) -> None:
    async def has_answered() -> bool:
        return (await shell(calls, entry, "echo answered", fence="sandbox"))[1] == b"answered\n"

    assert await has_answered()
    (kept,) = (home / ".ftl" / "code").iterdir()
    # What it imports is compiled once.
    assert list(kept.rglob("sandbox*.pyc"))
    code = kept / "ftl2_enterprise/adapters/hosts/remote/remote_main.py"
    code.write_text("raise SystemExit('executed')")
    with pytest.raises(HostUnreachable):
        await has_answered()
    # What others could have changed is not executed.
    kept.chmod(0o770)
    assert await has_answered()
    if user == 0:
        kept.chmod(0o700)
        os.chown(kept, fenced_calls.USER, -1)
        assert await has_answered()
        os.chown(kept, 0, -1)
    kept.rename(kept.with_name("elsewhere"))
    kept.symlink_to("elsewhere")
    assert await has_answered()
    kept.unlink()
    assert await has_answered()
    # What is damaged is not used, and replaced by the next connection.
    kept.with_name("elsewhere").rename(kept)
    kept.chmod(0o700)
    code.write_text("")
    assert await has_answered()
    await calls.close()
    assert await has_answered()
    assert "def hello" in code.read_text()


@pytest.mark.parametrize("name", TRIED)
async def test_the_table_is_long(name: str) -> None:
    assert len(set(TRIED[name])) >= 200


def changed(before: dict[str, Any]) -> set[str]:
    """What of the machine is not as it was."""
    now = fence_target.state_of_machine()
    return {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}


async def test_no_hostile_command_changes_the_host(calls: SshCalls, entry: HostEntry, user: int) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def attempt(text: str) -> str | None:
        async with turns:
            head, _, _ = await shell(calls, entry, text, fence="sandbox", environment=environment, timeout=10)
        return None if head.get("fenced") else f"{text}: {head}"

    with FenceTarget(user) as target:
        environment = target.environment()
        before = target.state()
        machine, clock = fence_target.state_of_machine(), fence_target.clock()
        tried = TRIED["user" if user else "root"]
        found = await asyncio.gather(*(attempt(text) for text in tried))
        target.settle()
        assert [one for one in found if one] == []
        assert target.state() == before
        # What other tests do to the machine at the same time, they undo.
        until(lambda: changed(machine) == set(), 30)
        assert changed(machine) == set()
        assert abs(fence_target.clock() - clock) < 60
