"""Starts the process of rules, fences it, and ends it when the loop's process closes the connection.

This runs in a separate process, which the helper of local calls forks, and executes no code of rules.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys

from ftl2_enterprise.adapters.hosts.remote import processes, sandbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_NO_NEW_PRIVS = 1, 15, 38
NAME = b"rules"
MIB = 1 << 20
LARGEST = 1 << 16
"""Bytes of an order."""
KEPT = frozenset(["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "PYTHONHASHSEED"])
"""Variables that the process of rules keeps; also those that begin with LC_."""
LIMITS = {
    resource.RLIMIT_AS: 2048 * MIB,
    resource.RLIMIT_DATA: 1024 * MIB,
    resource.RLIMIT_FSIZE: 64 * MIB,
    resource.RLIMIT_NOFILE: 256,
    resource.RLIMIT_MSGQUEUE: 0,
}
"""Limits of the process of rules, and of each process that it starts."""
MOST_PROCESSES = 64
"""Processes of the same user, where no sandbox counts them: not for root."""
NICE = 5
OPEN_FILES = 1 << 20
"""Descriptors above this are not used: it is the kernel's default maximum (fs.nr_open)."""


def main(connection: socket.socket) -> None:
    """Take one order, start the process of rules and wait until it or the connection ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    message, fds, _, _ = socket.recv_fds(connection, LARGEST, 2)
    if len(fds) < 2:
        return
    order: dict[str, Any] = json.loads(message)
    processes.adopt_orphans()
    forget_environment()
    sys.path[:] = order["paths"]
    streams = (fds[0], fds[1], os.dup(fds[1]))
    fence = _RuleFence(order["hidden"]) if order["fence"] else None
    try:
        start = fence.start if fence else processes.forking(_run_rules)
        pid = start(*streams)
        reason = fence.why_not() if fence else None
        if reason is not None:
            connection.sendall(reason.encode())
            return
        for fd in streams:
            os.close(fd)
        _wait(connection, pid)
    finally:
        if fence is not None:
            fence.end()
        processes.kill_tree(os.getpid())


class _RuleFence(sandbox.ReadOnlySandbox):
    """The read-only sandbox around the process of rules."""

    def __init__(self, hidden: list[str]) -> None:
        super().__init__(lambda: processes.forking(_run_rules_fenced), hidden=hidden, is_forked=True)

    def why_not(self) -> str | None:
        """Wait until the sandbox is built; the reason why it cannot be."""
        if self._report is None:
            return "it was not started"
        with open(self._report, "rb", closefd=False) as file:
            line = file.readline()
        report: dict[str, Any] = json.loads(line) if line else {}
        return None if report.get("built") else str(report.get("cannot", "it was killed"))

    def end(self) -> None:
        """Let the kernel kill everything in the sandbox."""
        if self._lifeline is not None:
            os.close(self._lifeline)


def _wait(connection: socket.socket, pid: int) -> None:
    watched = select.poll()
    watched.register(connection, select.POLLIN)
    with contextlib.suppress(OSError):
        watched.register(os.pidfd_open(pid), select.POLLIN)
    watched.poll()


def _run_rules_fenced() -> None:
    sandbox.clean_up_after_fork()
    _run_rules(fenced=True)


def _run_rules(*, fenced: bool = False) -> None:
    """Execute rules in this process, which has just been forked; its standard input is the socket."""
    channel = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.closerange(3, channel)
    os.closerange(channel + 1, OPEN_FILES)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    _prctl(PR_SET_NAME, NAME)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _limit(fenced=fenced)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    # Stand-ins of the helper, see `server`; a rule that imports FTL2 gets the installed one.
    for name in [name for name in sys.modules if name.partition(".")[0] == "ftl2"]:
        del sys.modules[name]
    # What a rule prints is in the log when it was printed, also if the process is killed.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (
        open(fd, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        for fd in (1, 2)
    )
    from ftl2_enterprise.adapters.rules import child  # noqa: PLC0415 - loads most of what this process needs

    child.serve(socket.socket(fileno=channel))
    os._exit(0)


def _limit(*, fenced: bool) -> None:
    os.nice(NICE)
    limits = dict(LIMITS)
    if not fenced and os.geteuid() != 0:
        limits[resource.RLIMIT_NPROC] = _processes_of_user() + MOST_PROCESSES
    processes.limit(limits)
    processes.forbid_core_dumps()


def _processes_of_user() -> int:
    count = 0
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdecimal():
            with contextlib.suppress(OSError):
                count += os.stat(f"/proc/{name}").st_uid == os.getuid()  # noqa: PTH116
    return count


def forget_environment() -> None:
    """Remove all variables but the harmless ones, also from the memory that this process has inherited."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("LC_")}
    header = sys.getsizeof(b"") - 1
    for name in [name for name in os.environb if os.fsdecode(name) not in kept]:
        value = os.environb.pop(name)
        if len(value) > 1:  # the interpreter shares shorter ones
            ctypes.memset(id(value) + header, 0, len(value))
    _wipe_first_environment()
    os.environ.update(kept)


def _wipe_first_environment() -> None:
    """Overwrite the variables with which this program was started, which /proc/PID/environ shows (see proc(5))."""
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)


def _prctl(option: int, value: int | bytes) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
