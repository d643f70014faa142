"""What rules try to do instead of asking, on a machine that can build the sandbox, and on one that cannot."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ftl2_enterprise.loops.rules.load import load_rules
from tests.support.loops.rule_process import Effects, rule_process
from tests.support.loops.rules import scope, write_rule
from tests.support.processes.fenced_calls import missing

pytestmark = pytest.mark.skipif(missing(os.geteuid()) is not None, reason=f"{missing(os.geteuid())}")

NO_PATH = "\0"
"""Hiding it fails, as anything may fail that the sandbox needs."""
HARMLESS = {"write in a thread", "kill everything", "kill its parent"}
"""What raises nothing in the rule, because it fails in a thread or affects nothing else."""

HOSTILE = {
    "write a file": "open('{base}/new', 'w')",
    "append to a file": "open('{base}/there', 'a').write('x')",
    "remove a file": "os.remove('{base}/there')",
    "rename a file": "os.rename('{base}/there', '{base}/elsewhere')",
    "change a mode": "os.chmod('{base}/there', 0)",
    "change times": "os.utime('{base}/there', (1, 1))",
    "make a link": "os.symlink('x', '{base}/link')",
    "make a device": "os.mknod('{base}/device', 0o60600, os.makedev(7, 0))",
    "write by a program": "subprocess.run('echo x > {base}/new', shell=True, check=True)",
    "write in a thread": "t = threading.Thread(target=lambda: open('{base}/new', 'w')); t.start(); t.join()",
    "write to /tmp": "open('/tmp/ftl2-rule-was-here', 'w')",
    "write to a pipe": "os.open('{base}/fifo', os.O_WRONLY | os.O_NONBLOCK)",
    "mount": "subprocess.run(['mount', '-o', 'remount,rw', '/'], check=True)",
    "a namespace": "os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS)",
    "kill the loop": "os.kill({pid}, signal.SIGKILL)",
    "kill everything": "os.kill(-1, signal.SIGKILL)",
    "kill its parent": "os.kill(os.getppid(), signal.SIGKILL)",
    "trace the loop": "open('/proc/{pid}/mem', 'rb').read(1)",
    "environment of the loop": "open('/proc/{pid}/environ', 'rb').read()",
    "its descriptors": "os.listdir('/proc/{pid}/fd')",
    "a local socket": "socket.socket(socket.AF_UNIX).connect('{base}/socket')",
    "a datagram": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', '{base}/socket')",
    "the network": "socket.create_connection(('127.0.0.1', {port}), 1)",
    "the internet": "socket.create_connection(('192.0.2.1', 80), 1)",
    "a name": "socket.getaddrinfo('example.com', 80)",
    "the database": "assert not open('{base}/loops.db', 'rb').read(); raise OSError",
    "the directory of secrets": "assert os.listdir('{base}/credentials') == []; raise OSError",
    "the name of the machine": "socket.sethostname('owned')",
    "settings of the kernel": "open('/proc/sys/kernel/domainname', 'w').write('owned')",
    "a device": "open('/dev/kmsg', 'w').write('owned')",
    "the clock": "import time; time.clock_settime(time.CLOCK_REALTIME, 0)",
    "another user": "os.setuid(1)",
    "its limits": "resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))",
    "memory": "bytearray(4 << 30)",
    "descriptors": "[os.pipe() for _ in range(1000)]",
}


@pytest.mark.parametrize("how", HOSTILE)
async def test_a_rule_changes_nothing(tmp_path: Path, how: str) -> None:
    (tmp_path / "there").write_text("as it was")
    (tmp_path / "loops.db").write_text("of the service")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "password").write_text("secret")
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with socket.socket(socket.AF_UNIX) as listener, socket.create_server(("127.0.0.1", 0)) as server:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        before = _tree(tmp_path)
        code = HOSTILE[how].format(base=tmp_path, pid=os.getpid(), port=server.getsockname()[1])
        hidden = [str(tmp_path / "loops.db"), str(tmp_path / "credentials")]
        async with rule_process(tmp_path / "rules", hidden=hidden) as at:
            effects = Effects()
            error = await at.act(
                effects,
                head="import os, resource, signal, socket, subprocess, threading",
                action=f"await ftl.first()\n    {code}\n    print('succeeded')",
            )
            assert at.printed[-1:] != ["succeeded"] or how in HARMLESS
            assert error or how in HARMLESS
            assert not error.startswith("AssertionError")
            assert [module for module, _, _ in effects.calls] == ["first"]
            assert await at.act(action="pass") == ""
        assert _tree(tmp_path) == before
    os.close(reader)
    assert not Path("/tmp/ftl2-rule-was-here").exists()


def _tree(directory: Path) -> list[tuple[str, int, int, str]]:
    return [
        (str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_text() if path.is_file() else "")
        for path in sorted(directory.rglob("*"))
        if "rules" not in path.parts[len(directory.parts) :]
    ]


NEGATIVE = (
    "write a file",
    "write by a program",
    "write in a thread",
    "write to a pipe",
    "the network",
    "a local socket",
)


@pytest.mark.parametrize("how", NEGATIVE)
async def test_without_the_sandbox_the_same_code_has_an_effect(tmp_path: Path, how: str) -> None:
    """Otherwise the test above would prove nothing."""
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with socket.socket(socket.AF_UNIX) as listener, socket.create_server(("127.0.0.1", 0)) as server:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        code = HOSTILE[how].format(base=tmp_path, pid=os.getpid(), port=server.getsockname()[1])
        async with rule_process(tmp_path / "rules", hidden=[NO_PATH]) as at:
            error = await at.act(
                head="import os, socket, subprocess, threading", action=f"{code}\n    print('succeeded')"
            )
    os.close(reader)
    assert error == ""
    assert at.printed[0].startswith("rules are not fenced: this machine cannot build the sandbox for rules: ")
    assert at.printed[-1] == "succeeded"
    assert (tmp_path / "new").exists() == how.startswith(("write a file", "write by", "write in"))


async def test_rules_may_read(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("42")
    async with rule_process(tmp_path) as at:
        judged = await at.judge(condition=f"return open('{tmp_path}/data').read() == '42'")
    assert judged.matched


@pytest.mark.parametrize("hidden", [(), (NO_PATH,)])
async def test_a_core_dump_has_one_byte_at_most_with_and_without_the_sandbox(
    tmp_path: Path, hidden: tuple[str, ...]
) -> None:
    async with rule_process(tmp_path, hidden=list(hidden)) as at:
        judged = await at.judge(
            condition="import resource; return resource.getrlimit(resource.RLIMIT_CORE) == (1, 1)"
        )
    assert judged.matched


async def test_a_fork_bomb_ends_with_its_process(tmp_path: Path) -> None:
    async with rule_process(tmp_path) as at:
        bomb = await at.load("bomb", condition="import os\n    while True: os.fork()")
        judged = await at.runner.evaluate(bomb, {}, 1.0)
        assert judged.error is not None
        assert (await at.judge()).matched


async def test_a_forked_copy_of_the_process_answers_nothing(tmp_path: Path) -> None:
    async with rule_process(tmp_path) as at:
        for number in range(20):
            judged = await at.judge(condition="import os\n    return os.fork() > 0")
            assert judged.matched, number
            assert await at.act(action="import os\n    if not os.fork(): raise ValueError") == ""


async def test_without_the_sandbox_rules_can_be_denied(tmp_path: Path) -> None:
    async with rule_process(tmp_path, hidden=[NO_PATH], needs_fence=True) as at:
        write_rule(tmp_path, "one")
        found = await load_rules(tmp_path, at.runner, scope())
    assert found.rules == ()
    assert found.broken["one"].startswith("cannot run rules: this machine cannot build the sandbox for rules: ")
    assert found.broken["one"].endswith("; loops.unfenced_rules is deny")
    assert not (tmp_path / "rules.json").exists()
