"""Runs a call in a read-only sandbox: it can read what its user can read, and change nothing outside.

The supervising process forks an outer process, which creates the namespaces and forks the first process of the PID
namespace; that one builds the sandbox and starts the call. When the first process ends, the kernel kills everything
that the call has started. It ends when the call's processes have ended, or when the lifeline, a pipe of the
supervising process, closes. docs/explanation/fences.md describes what each part prevents.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import stat

from ftl2_enterprise.adapters.hosts.remote import kernel_calls as kernel, processes, syscall_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ftl2_enterprise.adapters.hosts.remote.processes import Start

MIB = 1 << 20
NAMESPACES = (
    kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
)
SCRATCH = "/dev/shm"
"""The only place for new files: a private tmpfs, which is also TMPDIR."""
SCRATCH_OPTIONS = "size=64m,nr_inodes=8192,mode=1777"
DEVICES = ("null", "zero", "full", "random", "urandom")
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
CONTROL_SOCKETS = (
    "/run/systemd/private", "/run/systemd/notify", "/run/systemd/journal/socket", "/run/systemd/journal/stdout",
    "/run/systemd/journal/dev-log", "/run/systemd/io.system.ManagedOOM", "/run/dbus/system_bus_socket",
    "/run/docker.sock", "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/podman/podman.sock",
    "/run/snapd.socket", "/run/libvirt/libvirt-sock", "/run/lxd.socket", "/run/initctl", "/tmp/.X11-unix",
    "/sys/kernel/debug", "/sys/kernel/tracing",
)  # fmt: skip
"""Hidden in addition to the filter of system calls, and the files of the kernel that change when they are read."""
FORGOTTEN = frozenset([
    "SSH_AUTH_SOCK", "SSH_AGENT_PID", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
    "CREDENTIALS_DIRECTORY", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "DISPLAY", "WAYLAND_DISPLAY",
    "DOCKER_HOST", "CONTAINER_HOST",
])  # fmt: skip
"""Variables that lead to other processes, or to secrets of this one; also those that begin with DBUS_."""
LIMITS = {
    resource.RLIMIT_FSIZE: 64 * MIB,
    resource.RLIMIT_DATA: 4096 * MIB,
    resource.RLIMIT_MSGQUEUE: MIB,
    resource.RLIMIT_NPROC: 2048,
}
MOST_PROCESSES = 1024
COUNT_EVERY = 0.1
"""Seconds between counts of the processes, where no limit of the kernel applies: to root, before Linux 6.14."""
OPEN_FILES = 1 << 20
"""Descriptors above this are not used: it is the kernel's default maximum (fs.nr_open)."""
MAPPED_IN_USER = "u"
UNMAPPED = "d"


class CannotFence(Exception):
    """The host cannot build the sandbox, so nothing has run; the message is the reason, in one sentence."""


class CannotStart(Exception):
    """The program could not be started in the sandbox; the message is the reason."""


class ReadOnlySandbox:
    """One call in a sandbox: `start` for `processes.run`, then `finish`."""

    def __init__(
        self, make_start: Callable[[], Start], *, is_forked: bool, hidden: Sequence[str] = (), network: bool = False
    ) -> None:
        """`make_start` is called in the sandbox and returns what starts the call, see `processes`.

        `is_forked` is whether the call is Python code of this process, and not a program that is executed.
        """
        self.is_first = False
        """Whether the first of two ways to start the program was used, see `processes.FirstOf`."""
        self._make_start = make_start
        self._hidden = tuple(hidden)
        self._network = network
        self._is_forked = is_forked
        self._report: int | None = None
        self._lifeline: int | None = None

    def start(self, stdin: int, stdout: int, stderr: int) -> int:
        """Fork the outer process; returns its id. Raises OSError."""
        report, report_end = os.pipe()
        lifeline_end, lifeline = os.pipe()
        asks, asks_end = os.pipe()
        answer_end, answer = os.pipe()
        theirs = (report_end, lifeline_end, asks_end, answer_end)
        supervisor = os.getpid()
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                streams = (stdin, stdout, stderr)
                _close_all_except((*streams, *theirs))
                status = self._outer(supervisor, streams, *theirs)
            except Exception as error:
                _send(report_end, cannot=_reason(error))
            finally:
                os._exit(status)
        for fd in theirs:
            os.close(fd)
        self._report, self._lifeline = report, lifeline
        if os.read(asks, 1) == MAPPED_IN_USER.encode():
            _map_ids(pid)
            os.write(answer, b"!")
        os.close(asks)
        os.close(answer)
        return pid

    def finish(self, ended: processes.ProcessResult) -> None:
        """End everything that the call left, and complete its result. Raises CannotFence and CannotStart."""
        if self._lifeline is None or self._report is None:
            raise CannotFence("the host cannot build the sandbox: it was not started")
        os.close(self._lifeline)
        if not processes.is_alone():
            processes.kill_tree(os.getpid())
        with open(self._report, "rb") as file:  # noqa: PTH123
            reports: list[dict[str, Any]] = [json.loads(line) for line in file if line.endswith(b"\n")]
        if not reports or not reports[0].get("built"):
            if ended.timed_out or ended.cancelled:
                return
            reason = reports[0].get("cannot") if reports else "it was killed"
            raise CannotFence(f"the host cannot build the sandbox: {reason}")
        found = {key: value for line in reports for key, value in line.items()}
        if "not_started" in found:
            raise CannotStart(found["not_started"])
        self.is_first = bool(found.get("is_first"))
        if not ended.timed_out and not ended.cancelled:
            ended.rc = found.get("rc", -signal.SIGKILL)
        if found.get("too_many"):
            ended.stderr += f"killed: the command started more than {MOST_PROCESSES} processes\n".encode()

    def _outer(
        self, supervisor: int, streams: tuple[int, int, int], report: int, lifeline: int, asks: int, answer: int
    ) -> int:
        os.setsid()
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            return 70
        machine = os.uname().machine
        if machine not in syscall_filter.ARCHITECTURES:
            raise CannotFence(f"there is no filter of system calls for {machine}")
        kept = 1 << kernel.CAP_DAC_READ_SEARCH if os.geteuid() == 0 else 0
        try:
            kernel.unshare(NAMESPACES)
            os.write(asks, UNMAPPED.encode())
        except PermissionError:
            kernel.unshare(NAMESPACES | kernel.CLONE_NEWUSER)
            # The files of a process that has changed its user belong to root, also those that map ids.
            kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
            os.write(asks, MAPPED_IN_USER.encode())
            if not os.read(answer, 1):
                return 70
        os.close(asks)
        os.close(answer)
        ending, ending_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                os.close(ending)
                _InnerProcess(report, lifeline, ending_end, machine, kept).run(
                    self._make_start, streams, hidden=self._hidden, network=self._network, is_forked=self._is_forked
                )
                status = 0
            except Exception as error:
                _send(report, cannot=_reason(error))
            finally:
                os._exit(status)
        for fd in (*streams, report, lifeline, ending_end):
            os.close(fd)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.keep_capabilities(0, machine)
        if not os.read(ending, 1):
            os.waitpid(pid, 0)  # it leaves no process, so `finish` finds none
        return 0


class _InnerProcess:
    """The first process of the PID namespace, which builds the sandbox around itself, starts the call and waits."""

    def __init__(self, report: int, lifeline: int, ending: int, machine: str, kept: int) -> None:
        self._report = report
        self._lifeline = lifeline
        self._ending = ending
        self._machine = machine
        self._kept = kept
        self._is_limited = False

    def run(
        self,
        make_start: Callable[[], Start],
        streams: tuple[int, int, int],
        *,
        hidden: Sequence[str],
        network: bool,
        is_forked: bool,
    ) -> None:
        """Build the sandbox, start the call, and return when none of its processes is left."""
        hidden = (*hidden, *_private_places(os.environ))
        for name in [name for name in os.environ if name in FORGOTTEN or name.startswith("DBUS_")]:
            del os.environ[name]
        os.environ["TMPDIR"] = SCRATCH
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            if fd not in streams:
                os.dup2(null, fd)
        os.close(null)
        self._build(hidden)
        if stat.S_ISCHR(os.fstat(streams[0]).st_mode):
            # An open descriptor is not subject to the read-only mounts: fchmod(2) would change the host's device.
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, streams[0])
            os.close(null)
        self._restrict(network=network, is_forked=is_forked)
        _send(self._report, built=True)
        try:
            start = make_start()
            pid = start(*streams)
        except (OSError, ValueError) as error:
            _send(self._report, not_started=_reason(error))
            return
        for fd in streams:
            os.close(fd)
        is_first = isinstance(start, processes.FirstOf) and start.is_first
        _send(self._report, is_first=is_first)
        self._wait(pid)

    def _build(self, hidden: Sequence[str]) -> None:
        folder = _working_directory()
        hard = kernel.MS_NOSUID | kernel.MS_NOEXEC
        kernel.mount("none", "/", "none", kernel.MS_REC | kernel.MS_PRIVATE)
        held = {name: os.open(f"/dev/{name}", os.O_PATH | os.O_CLOEXEC) for name in DEVICES}
        attributes = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
        kernel.set_mount("/", set_=attributes, recursive=True)
        kernel.mount("proc", "/proc", "proc", hard | kernel.MS_NODEV)
        self._limit_processes()
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.mount("tmpfs", "/dev", "tmpfs", hard, "size=64k,mode=755")
        for name, fd in held.items():
            place = f"/dev/{name}"
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
            kernel.mount(f"/proc/self/fd/{fd}", place, "none", kernel.MS_BIND)
            kernel.set_mount(place, clear=kernel.MOUNT_ATTR_NODEV)
            os.close(fd)
        for name, target in DEVICE_LINKS.items():
            os.symlink(target, f"/dev/{name}")  # noqa: PTH211
        os.mkdir(SCRATCH)  # noqa: PTH102
        kernel.mount("tmpfs", SCRATCH, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, SCRATCH_OPTIONS)
        for path in (*CONTROL_SOCKETS, *hidden):
            _hide(path)
        kernel.set_mount("/dev", set_=kernel.MOUNT_ATTR_RDONLY)
        kernel.set_mount("/proc", set_=kernel.MOUNT_ATTR_RDONLY)
        try:
            os.chdir(folder)
        except OSError:
            os.chdir("/")

    def _limit_processes(self) -> None:
        processes.limit(LIMITS)
        processes.forbid_core_dumps()
        if os.geteuid() != 0:
            self._is_limited = True
        elif _has_own_pid_max():
            with open("/proc/sys/kernel/pid_max", "w") as file:  # noqa: PTH123
                file.write(str(MOST_PROCESSES))
            self._is_limited = True

    def _restrict(self, *, network: bool, is_forked: bool) -> None:
        kernel.keep_capabilities(self._kept, self._machine)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.restrict_writes({SCRATCH: True, "/dev": False}, network=network)
        program = syscall_filter.program(self._machine, network=network, is_forked=is_forked)
        kernel.install_filter(program, self._machine)

    def _wait(self, pid: int) -> None:
        wakes, wakes_end = os.pipe()
        os.set_blocking(wakes_end, False)
        signal.set_wakeup_fd(wakes_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        watched = select.poll()
        watched.register(wakes, select.POLLIN)
        watched.register(self._lifeline, 0)  # only its end is of interest
        seconds = None if self._is_limited else COUNT_EVERY * 1000
        is_lingering = False
        while True:
            has_ended, is_alone = _reap(pid)
            if has_ended is not None:
                _send(self._report, rc=has_ended)
            if is_alone:
                return
            if has_ended is not None and not is_lingering:
                os.write(self._ending, b"!")
                os.close(self._ending)
                is_lingering = True
            ready = dict(watched.poll(seconds))
            if self._lifeline in ready:
                return
            if wakes in ready:
                os.read(wakes, 4096)
            if not self._is_limited and len(os.listdir("/proc")) > MOST_PROCESSES:  # noqa: PTH208
                _send(self._report, too_many=True)
                return


def clean_up_after_fork() -> None:
    """Make a process that was forked in the sandbox what an executed program is: without inherited descriptors."""
    _close_all_except(())
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def _reap(pid: int) -> tuple[int | None, bool]:
    """The exit status of that process if it has ended now, and whether no child is left."""
    status: int | None = None
    try:
        while True:
            found, raw = os.waitpid(-1, os.WNOHANG)
            if not found:
                return status, False
            if found == pid:
                status = os.waitstatus_to_exitcode(raw)
    except ChildProcessError:
        return status, True


def _has_own_pid_max() -> bool:
    """Whether each PID namespace has its own limit (since Linux 6.14); before, writing it would change the host's."""
    major, minor = (int("".join(filter(str.isdecimal, part)) or 0) for part in os.uname().release.split(".")[:2])
    return (major, minor) >= (6, 14)


def _map_ids(pid: int) -> None:
    """Map every id to itself in the user namespace of that process, or only its own where more is not permitted."""
    for name, own in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
        with open(f"/proc/self/{name}") as file:  # noqa: PTH123
            ranges = [line.split() for line in file]
        everything = "".join(f"{inside} {inside} {count}\n" for inside, _, count in ranges)
        try:
            _write(f"/proc/{pid}/{name}", everything)
        except OSError:
            if name == "gid_map":
                with contextlib.suppress(OSError):
                    _write(f"/proc/{pid}/setgroups", "deny")
            with contextlib.suppress(OSError):  # without a map, the next step fails and names itself
                _write(f"/proc/{pid}/{name}", f"{own} {own} 1\n")


def _write(path: str, text: str) -> None:
    with open(path, "wb", buffering=0) as file:  # noqa: PTH123 - the kernel takes the whole map in one write
        file.write(text.encode())


def _private_places(environment: Mapping[str, str]) -> list[str]:
    """What the removed variables name: the agent's socket, and the folder of the service's secrets."""
    return [environment[name] for name in ("SSH_AUTH_SOCK", "CREDENTIALS_DIRECTORY") if environment.get(name)]


def _hide(path: str) -> None:
    """Cover an existing directory with an empty one, and anything else with /dev/null."""
    place = os.path.realpath(path)
    if os.path.isdir(place):  # noqa: PTH112
        flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("tmpfs", place, "tmpfs", flags, "size=4k,mode=755")
    elif os.path.exists(place):  # noqa: PTH110
        kernel.mount("/dev/null", place, "none", kernel.MS_BIND)


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return "/"


def _close_all_except(kept: Sequence[int]) -> None:
    low = 3
    for fd in sorted(fd for fd in kept if fd > 2):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, OPEN_FILES)


def _send(report: int, **what: Any) -> None:
    with contextlib.suppress(OSError):
        os.write(report, json.dumps(what).encode() + b"\n")


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
