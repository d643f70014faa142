"""Runs one program with limits for time and output, and kills all of its descendants if necessary."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

    Start = Callable[[int, int, int], int]
    """Starts a process on the given standard input, output and error; returns its id."""

PR_SET_CHILD_SUBREAPER = 36
TICK = 0.02
LINGER = 0.5
"""Seconds without output after which the pipes of an ended program, held open by its descendants, are closed."""
KILL_LIMIT = 5.0
CHUNK = 1 << 16


class ProcessResult:
    """How a program ended, and its output."""

    def __init__(
        self, *, rc: int | None, stdout: bytes, stderr: bytes, dropped_stdout: int, dropped_stderr: int,
        timed_out: bool, cancelled: bool,
    ) -> None:  # fmt: skip
        self.rc = rc
        self.stdout = stdout
        self.stderr = stderr
        self.dropped_stdout = dropped_stdout
        self.dropped_stderr = dropped_stderr
        self.timed_out = timed_out
        self.cancelled = cancelled


_adopting = 0
"""The pid of this process when it has become a subreaper: a forked one does not inherit that."""


def adopt_orphans() -> bool:
    """Make this process the subreaper of its descendants, so that orphans stay in its tree (Linux only)."""
    global _adopting  # noqa: PLW0603 - a property of the process, which every call needs
    if _adopting == os.getpid():
        return True
    try:
        adopts = ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (OSError, AttributeError):
        return False
    _adopting = os.getpid() if adopts else 0
    return adopts


def descendants(root: int) -> list[int]:
    """Live processes below `root` according to /proc; empty without /proc."""
    children: dict[int, list[int]] = {}
    for name in _listed("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state not in {b"Z", b"X"}:
            children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def kill_tree(root: int, *, limit: float = KILL_LIMIT) -> bool:
    """Kill all processes below `root`; False when one is still alive after `limit` seconds."""
    deadline = time.monotonic() + limit
    stopped: set[int] = set()
    while True:
        alive = descendants(root)
        # Stopping them first keeps a program that forks continuously from outrunning the scan.
        fresh = [pid for pid in alive if pid not in stopped]
        for pid in fresh or alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGSTOP if fresh else signal.SIGKILL)
        stopped.update(fresh)
        if root == os.getpid():
            reap()
        if not alive:
            return True
        if time.monotonic() > deadline:
            return False
        if not fresh:
            time.sleep(0.002)


def reap() -> None:
    """Collect every exited child."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def is_alone() -> bool:
    """Whether no descendant is left; known only where orphans are adopted."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return False
    return adopt_orphans()


def limit(limits: Mapping[int, int]) -> None:
    """Limit resources of this process and of those that it starts, which the kernel ends first if memory is short."""
    import resource  # noqa: PLC0415

    for kind, most in limits.items():
        soft, hard = resource.getrlimit(kind)
        limited = [most if now == resource.RLIM_INFINITY else min(most, now) for now in (soft, hard)]
        resource.setrlimit(kind, (limited[0], limited[1]))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")


def forbid_core_dumps() -> None:
    """Keep the kernel from writing core dumps of this process and of those that it starts, and from passing them on.

    A core of 1 byte, unlike one of 0, also prevents that core_pattern starts a program (core(5)).
    """
    import resource  # noqa: PLC0415

    # It fails where the maximum is 0, which cannot be raised.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def executing(
    argv: Sequence[str],
    *,
    file: str | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    before: Callable[[], object] | None = None,
) -> Start:
    """A start that executes a program, from that file if one is given, in a new session. Raises OSError.

    `before` is called in the new process.
    """

    def start(stdin: int, stdout: int, stderr: int) -> int:
        popen = subprocess.Popen(
            argv, executable=file, stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, env=env,
            start_new_session=True, preexec_fn=before,  # noqa: PLW1509 - this process has one thread
        )  # fmt: skip
        popen.returncode = 0  # `run` waits for it, not the object
        return popen.pid

    return start


class FirstOf:
    """The first of two starts that can execute its program. Raises OSError when neither can."""

    def __init__(self, start: Start, otherwise: Start) -> None:
        self._start = start
        self._otherwise = otherwise
        self.is_first = False
        """Whether the first one could execute its program."""

    def __call__(self, stdin: int, stdout: int, stderr: int) -> int:
        """Start a process on the given standard streams; returns its id."""
        try:
            pid = self._start(stdin, stdout, stderr)
        except OSError:
            return self._otherwise(stdin, stdout, stderr)
        self.is_first = True
        return pid


def forking(work: Callable[[], None]) -> Start:
    """A start that forks and calls `work`, whose standard streams are the pipes. It must not return by raising."""

    def start(stdin: int, stdout: int, stderr: int) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            for target, source in enumerate((stdin, stdout, stderr)):
                os.dup2(source, target)
            work()
        finally:
            os._exit(70)

    return start


def run(
    start: Start, *, stdin: bytes = b"", timeout: float, limit: int, cancel_fd: int | None = None
) -> ProcessResult:
    """Run the program until it ends, `timeout` seconds pass or `cancel_fd` is readable; then its tree is killed.

    Daemons of a program that ends on its own are not killed: that is how services are started.
    """
    with _holding(stdin) as given:
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        try:
            pid = start(given.fileno(), out_write, err_write)
        except BaseException:
            os.close(out_read)
            os.close(err_read)
            raise
        finally:
            os.close(out_write)
            os.close(err_write)
    exit_fd = _exit_fd(pid)
    try:
        return _watch(
            pid, (out_read, err_read), time.monotonic() + timeout, limit, cancel_fd=cancel_fd, exit_fd=exit_fd
        )
    finally:
        for fd in (out_read, err_read, exit_fd):
            if fd is not None:
                os.close(fd)


def _holding(stdin: bytes) -> IO[bytes]:
    """A file with these bytes, positioned at its start."""
    if not stdin:
        return open(os.devnull, "rb")  # noqa: PTH123
    if hasattr(os, "memfd_create"):
        # Not a file of the host: a call in the sandbox could change that through its open descriptor.
        given: IO[bytes] = open(os.memfd_create("stdin"), "w+b")  # noqa: PTH123, SIM115 - the caller closes it
    else:
        import tempfile  # noqa: PLC0415 - most calls are given nothing

        given = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    given.write(stdin)
    given.seek(0)
    return given


def _watch(
    pid: int, pipes: tuple[int, int], deadline: float, limit: int, *, cancel_fd: int | None, exit_fd: int | None
) -> ProcessResult:
    kept = {fd: bytearray() for fd in pipes}
    dropped = dict.fromkeys(pipes, 0)
    timed_out = cancelled = False
    status: int | None = None
    quiet_since = time.monotonic()
    tick = 0.001
    # For a few descriptors that live for one call, poll(2) costs fewer system calls than epoll(7).
    with selectors.PollSelector() as selector:
        for fd in pipes:
            selector.register(fd, selectors.EVENT_READ)
        if cancel_fd is not None:
            selector.register(cancel_fd, selectors.EVENT_READ)
        if exit_fd is not None:
            selector.register(exit_fd, selectors.EVENT_READ)
        open_pipes = len(pipes)
        while open_pipes or status is None:
            now = time.monotonic()
            if now >= deadline:
                timed_out = True
                break
            # With a pidfd, the end of the program is an event; without one it has to be polled.
            wakes = status is None and exit_fd is not None
            ready = selector.select(deadline - now if wakes else min(tick, deadline - now))
            tick = min(tick * 2, TICK)
            if any(key.fd == cancel_fd for key, _ in ready):
                cancelled = True
                break
            for key, _ in ready:
                if key.fd == exit_fd:
                    selector.unregister(key.fd)
                    exit_fd = None
                    continue
                chunk = os.read(key.fd, CHUNK)
                quiet_since = time.monotonic()
                if not chunk:
                    selector.unregister(key.fd)
                    open_pipes -= 1
                    tick = 0.001
                    continue
                room = limit - len(kept[key.fd])
                kept[key.fd] += chunk[: max(room, 0)]
                dropped[key.fd] += max(len(chunk) - max(room, 0), 0)
            if status is None:
                status = _exit_status(pid)
            elif time.monotonic() - quiet_since > LINGER:
                break
    if timed_out or cancelled:
        kill_tree(os.getpid())
        _kill_group(pid)
        status = None
    out, err = pipes
    return ProcessResult(
        rc=status, stdout=bytes(kept[out]), stderr=bytes(kept[err]), dropped_stdout=dropped[out],
        dropped_stderr=dropped[err], timed_out=timed_out, cancelled=cancelled,
    )  # fmt: skip


def _exit_fd(pid: int) -> int | None:
    """A pidfd, readable when the process has ended; None on kernels without pidfds."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _exit_status(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    if not found:
        return None
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _kill_group(pid: int) -> None:
    """Kill the process group, for systems without /proc; elsewhere the group has ended already."""
    if not os.path.exists("/proc/self/stat"):  # noqa: PTH110
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
