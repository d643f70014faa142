"""The read-only sandbox: what runs in it, what it replies, and what it leaves."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.processes.fenced_calls import HostProcess
from tests.support.processes.survivors import alive, end, mark, until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text",
    [
        "echo out; echo why >&2; exit 3", "kill -TERM $$", "kill -9 $$", "cat", "printf '\\000\\377'",
        "no-such-program", "df -h /nowhere", "uname -n", "exec 3</etc/passwd; wc -l <&3", "sh -c 'exit 7' | cat",
        "trap 'echo ended' EXIT", "echo $0", "pwd", "ls /dev/null /etc/passwd", "ulimit -n", "umask", "nosuch -x",
        "cat /proc/meminfo | grep MemTotal", "readlink /proc/self/exe", "seq 30000", "printenv HOME LANG PATH",
    ],
)  # fmt: skip
def test_the_reply_is_as_without_the_sandbox(host: HostProcess, text: str) -> None:
    plain, *streams = host.shell(text, fence=None, stdin="given\n")
    fenced, *fenced_streams = host.shell(text, stdin="given\n")
    assert fenced == {**plain, "fenced": True}
    assert fenced_streams == streams


def test_nothing_can_be_written_and_everything_readable_can_be_read(
    host: HostProcess, folder: Path, user: int
) -> None:
    (folder / "own" / "file").write_text("content")
    if os.geteuid() == 0:
        os.chown(folder / "own" / "file", user, user)
    head, out, err = host.shell(
        'cat "$PLACE/file"; echo changed > "$PLACE/file"; touch "$PLACE/other"; rm "$PLACE/file"'
    )
    assert head["fenced"]
    assert out == "content"
    assert err.count("Read-only file system") == 3
    assert [entry.name for entry in (folder / "own").iterdir()] == ["file"]
    assert (folder / "own" / "file").read_text() == "content"


def test_new_files_have_a_private_place(host: HostProcess) -> None:
    head, out, _ = host.shell(
        'mktemp && cd "$TMPDIR" && echo a > b && mkfifo c && ls | wc -l && cat b && df . | tail -1'
    )
    assert head["rc"] == 0
    assert out.startswith("/dev/shm/tmp.")
    assert out.splitlines()[1:3] == ["3", "a"]
    assert host.shell("ls /dev/shm")[1] == ""


def test_root_reads_what_only_root_may_read(host: HostProcess, user: int) -> None:
    head, out, _ = host.shell("cat /etc/shadow")
    assert (head["rc"] == 0, bool(out)) == (user == 0, user == 0)


def test_its_processes_have_one_capability_at_most_and_cannot_gain_more(host: HostProcess, user: int) -> None:
    _, out, _ = host.shell("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
    found = dict(line.split(":\t") for line in out.splitlines())
    kept = f"{4 if user == 0 else 0:016x}"
    assert found == {
        "CapInh": "0" * 16, "CapPrm": kept, "CapEff": kept, "CapBnd": kept, "CapAmb": "0" * 16, "NoNewPrivs": "1",
        "Seccomp": "2",
    }  # fmt: skip


def test_its_processes_inherit_no_descriptors_terminal_or_variables_of_the_session(host: HostProcess) -> None:
    _, out, err = host.shell('ls /proc/$$/fd; echo "$SSH_AUTH_SOCK$NOTIFY_SOCKET"; echo > /dev/tty')
    assert out.split() == ["0", "1", "2"]
    assert "/dev/tty" in err


def test_a_core_dump_has_one_byte_at_most(host: HostProcess) -> None:
    _, out, _ = host.shell("grep 'Max core' /proc/self/limits")
    assert out.split() == ["Max", "core", "file", "size", "1", "1", "bytes"]


def test_what_it_started_ends_with_it(host: HostProcess) -> None:
    unique = mark()
    head, out, _ = host.shell(
        f"setsid sleep {unique} </dev/null >/dev/null 2>&1 & (setsid sleep {unique} &) & echo begun"
    )
    assert (head["rc"], out) == (0, "begun\n")
    assert alive(unique) == []
    plain, _, _ = host.shell(f"setsid sleep {unique} </dev/null >/dev/null 2>&1 & echo begun", fence=None)
    try:
        assert plain["rc"] == 0
        assert len(alive(unique)) == 1
    finally:
        end(alive(unique))


def test_a_time_limit_ends_the_whole_sandbox(host: HostProcess) -> None:
    unique = mark()
    head, out, _ = host.shell(f"echo begun; setsid sleep {unique} & sleep {unique}", timeout=0.7)
    assert (head["timed_out"], head["fenced"], out) == (True, True, "begun\n")
    assert alive(unique) == []


def test_it_ends_with_the_process_that_supervises_it(folder: Path, user: int) -> None:
    unique = mark()
    with HostProcess(folder / "code", user) as own:
        pid = own.process.pid
        argv = ["/bin/sh", "-c", f"setsid sleep {unique} & sleep {unique}"]
        own.send({"kind": "command", "argv": argv, "stdin": None, "fence": "sandbox"})
        assert until(lambda: len(alive(f"sleep {unique}")) >= 2)
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: not alive(f"sleep {unique}"))


def test_a_program_that_does_not_exist_is_reported_as_not_started(host: HostProcess) -> None:
    request = {"kind": "command", "argv": ["/no/such"], "stdin": None}
    plain, _, _ = host.call(request)
    assert host.call({**request, "fence": "sandbox"})[0] == {**plain, "fenced": True}
    gone = host.call({**request, "chdir": "/no", "fence": "sandbox"})[0]
    assert gone == {"not_started": "the directory /no does not exist", "fenced": True}


def test_an_unknown_fence_runs_nothing(host: HostProcess) -> None:
    head, out, _ = host.shell("echo ran", fence="wall")
    assert (head, out) == ({"not_fenced": "the host has no fence 'wall'"}, "")


def test_a_host_that_cannot_build_it_runs_nothing(host: HostProcess, folder: Path) -> None:
    """In a sandbox there is no second one, as in a container without namespaces."""
    driver = f"""
import json, sys
sys.path.insert(0, {str(folder / "code")!r})
from ftl2_enterprise.adapters.hosts.remote import frames, perform
request = {{"kind": "command", "argv": ["echo", "ran"], "stdin": None, "timeout": 9, "limit": 99, "fence": "sandbox"}}
print(json.dumps([frames.unpack(perform.perform(request))[0]]))
"""
    _, out, err = host.call(
        {"kind": "command", "argv": ["python3", "-c", driver], "stdin": None, "fence": "sandbox"}
    )[0:3]
    expected = "the host cannot build the sandbox: creating namespaces: Operation not permitted"
    assert out == f'[{{"not_fenced": "{expected}"}}]\n', err


def test_hidden_places_are_empty(host: HostProcess, folder: Path) -> None:
    secret = folder / "private"
    secret.mkdir(exist_ok=True)
    (secret / "key").write_text("secret")
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(str(folder / "control.sock"))
        hidden = [str(secret), str(folder / "control.sock"), "/no/such/place"]
        _, out, _ = host.shell(
            f"ls {secret}; cat {folder}/control.sock; stat -c %F {folder}/control.sock", hidden=hidden
        )
    assert out == "character special file\n"


def test_the_internet_can_be_reached_only_when_the_request_permits_it(host: HostProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        program = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('connected')"
        request = {"kind": "command", "argv": ["python3", "-c", program], "stdin": None, "fence": "sandbox"}
        _, out, err = host.call(request)
        assert (out, "Operation not permitted" in err) == ("", True)
        assert host.call({**request, "network": True})[1] == "connected\n"
