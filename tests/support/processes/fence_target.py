"""A target for hostile commands: files, pipes, sockets and a process of one user, and what has happened to them."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import platform
import selectors
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.support.processes.hostile_commands import C
from tests.support.processes.survivors import alive, end, mark, until

if TYPE_CHECKING:
    from types import TracebackType

VICTIM = """
import signal, sys
signal.signal(signal.SIGUSR1, lambda *_: open(sys.argv[2], "a").write("signal"))
print(flush=True)
while True:
    signal.pause()
"""
FS_IOC_GETFLAGS = 0x80086601
CGROUP_OF_A_TEST = "test-ftl2-"
"""Beginning of the names of control groups that tests make."""
IOPRIO_GET = {"x86_64": 252, "aarch64": 31}[platform.machine()]
CHANGING = (
    "random",
    "entropy",
    "file-nr",
    "inode",
    "dentry",
    "ns_last_pid",
    "nr_open",
    "/pty/",
    "fs/quota/",
    "cad_pid",
    "nf_conntrack_count",
    "aio-nr",
    "/neigh/",
    "stat_refresh",
    "perf_event",
)
"""Parts of the names of kernel settings that change continuously, or that only describe."""


class FenceTarget:
    """It belongs to one user; with root's rights it can be made for any."""

    def __init__(self, user: int) -> None:
        self.folder: Path = Path(tempfile.mkdtemp(prefix="hostile-"))
        self.mark: str = mark()
        self._user: int = user
        self._received: list[str] = []
        self._ends: list[socket.socket | int] = []
        self._selector: selectors.BaseSelector = selectors.DefaultSelector()
        self._lock: threading.Lock = threading.Lock()
        self._open: bool = True
        self._folder_of_victim: Path = Path(tempfile.mkdtemp(prefix="victim-"))
        self.rebuild()
        tcp, udp = (
            socket.create_server(("127.0.0.1", 0), backlog=200),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        )
        udp.bind(("127.0.0.1", 0))
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0{self.mark}")
        abstract.listen(200)
        self.port: int = tcp.getsockname()[1]
        self._udp: socket.socket = udp
        for name, one in (("tcp", tcp), ("udp", udp), ("abstract", abstract)):
            self._watch(name, one)
        self._thread: threading.Thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()
        self.victim: subprocess.Popen[bytes] = self._start_victim()
        self._new_victim: tuple[Any, ...] = self._state_of_victim()

    def rebuild(self) -> None:
        """Make the files, pipes and sockets of the folder as they were in the beginning."""
        with self._lock:
            for name in ("fifo", "stream", "datagram"):
                self._forget(name)
            for entry in self.folder.iterdir():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            for name in ("dir", "empty"):
                (self.folder / name).mkdir()
            for name in ("file", "dir/inner"):
                (self.folder / name).write_text("content")
            (self.folder / "link").symlink_to("file")
            (self.folder / "script").write_text('#!/bin/sh\ntouch "$T/new"\n')
            (self.folder / "script").chmod(0o755)
            shutil.copy("/usr/bin/touch", self.folder / "suid")
            os.mkfifo(self.folder / "fifo")
            stream, datagram = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            stream.bind(str(self.folder / "stream.sock"))
            stream.listen(200)
            datagram.bind(str(self.folder / "datagram.sock"))
            if os.geteuid() == 0:
                if self._user == 0:
                    os.mknod(self.folder / "device", 0o666 | stat.S_IFCHR, os.makedev(1, 11))  # /dev/kmsg
                for entry in (self.folder, *self.folder.rglob("*")):
                    os.chown(entry, self._user, self._user, follow_symlinks=False)
            (self.folder / "suid").chmod(0o4755)
            fifo = os.open(self.folder / "fifo", os.O_RDWR | os.O_NONBLOCK)
            for name, one in (("fifo", fifo), ("stream", stream), ("datagram", datagram)):
                self._watch(name, one)

    def environment(self) -> dict[str, str]:
        """The variables that hostile commands use."""
        return {
            "T": str(self.folder), "VICTIM": str(self.victim.pid), "PORT": str(self.port), "MARK": self.mark, "C": C,
            "UPORT": str(self._udp.getsockname()[1]),
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Everything of it that a command can change; equal as long as none has."""
        with self._lock:
            found: dict[str, Any] = {"received": list(self._received)}
        for path in (self.folder, *sorted(self.folder.rglob("*"))):
            about = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(about.st_mode) else None
            target = str(path.readlink()) if path.is_symlink() else None
            # A directory changes its times when a file in it is made and removed; only atime may change.
            found[str(path)] = (
                about.st_ino, about.st_mode, about.st_uid, about.st_gid, about.st_size, about.st_nlink,
                about.st_mtime_ns, about.st_ctime_ns, content, target,
                os.listxattr(path, follow_symlinks=False), _flags(path),
            )  # fmt: skip
        found["victim"] = self._state_of_victim()
        found["left"] = [pid for pid in alive(self.mark) if pid != self.victim.pid]
        found["files"] = [
            str(path) for place in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/var/log")
            if (path := Path(place, self.mark)).exists()
        ]  # fmt: skip
        return found

    def repair(self) -> None:
        """Undo what a harmful command has done."""
        end([pid for pid in alive(self.mark) if pid != self.victim.pid])
        assert until(lambda: not [pid for pid in alive(self.mark) if pid != self.victim.pid])
        if self._state_of_victim() != self._new_victim:
            self._end_victim()
            self.victim = self._start_victim()
        self.rebuild()

    def settle(self) -> None:
        """Wait until what was sent to a listener before now has been received."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(b"settle", self._udp.getsockname())
            assert until(lambda: self._take("settle"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end([pid for pid in alive(self.mark) if pid != self.victim.pid])
        self._end_victim()
        self._open = False
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            os.close(key.fileobj) if isinstance(key.fileobj, int) else key.fileobj.close()  # pyright: ignore[reportAttributeAccessIssue]
        self._selector.close()
        shutil.rmtree(self.folder)
        shutil.rmtree(self._folder_of_victim)

    def _start_victim(self) -> subprocess.Popen[bytes]:
        other = self._user if os.geteuid() == 0 and self._user else None
        self._folder_of_victim.chmod(0o777)
        started = subprocess.Popen(
            ["/usr/bin/python3", "-c", VICTIM, self.mark, str(self._folder_of_victim / "signals")],
            user=other, group=other, stdout=subprocess.PIPE, cwd="/", start_new_session=True,
            extra_groups=None if other is None else [],
        )  # fmt: skip
        assert started.stdout is not None
        started.stdout.readline()  # it is ready
        started.stdout.close()
        return started

    def _end_victim(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.victim.pid, signal.SIGCONT)
        self.victim.kill()
        self.victim.wait()
        (self._folder_of_victim / "signals").unlink(missing_ok=True)

    def _state_of_victim(self) -> tuple[Any, ...]:
        pid = self.victim.pid
        signals = self._folder_of_victim / "signals"
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            return (
                "stopped" if state in "tT" else "ended" if state in "ZX" else "alive",
                signals.read_text() if signals.exists() else "", os.getpriority(os.PRIO_PROCESS, pid),
                os.sched_getaffinity(pid), Path(f"/proc/{pid}/limits").read_text(), os.sched_getscheduler(pid),
                Path(f"/proc/{pid}/oom_score_adj").read_text(), Path(f"/proc/{pid}/cgroup").read_text(),
                ctypes.CDLL(None).syscall(IOPRIO_GET, 1, pid),
            )  # fmt: skip
        except (ProcessLookupError, FileNotFoundError):
            return ("ended",)

    def _watch(self, name: str, one: socket.socket | int) -> None:
        if not isinstance(one, int):
            one.setblocking(False)
        self._selector.register(one, selectors.EVENT_READ, name)

    def _forget(self, name: str) -> None:
        for key in [key for key in self._selector.get_map().values() if key.data == name]:
            self._selector.unregister(key.fileobj)
            os.close(key.fileobj) if isinstance(key.fileobj, int) else key.fileobj.close()  # pyright: ignore[reportAttributeAccessIssue]

    def _take(self, text: str) -> bool:
        with self._lock:
            found = [one for one in self._received if text in one]
            for one in found:
                self._received.remove(one)
            return bool(found)

    def _receive(self) -> None:
        while self._open:
            with self._lock:
                for key, _ in self._selector.select(0):
                    with contextlib.suppress(BlockingIOError):
                        if isinstance(key.fileobj, int):
                            self._received.append(f"{key.data}: {os.read(key.fileobj, 99)!r}")
                        elif key.data in {"udp", "datagram"}:
                            self._received.append(f"{key.data}: {key.fileobj.recv(99)!r}")  # pyright: ignore[reportAttributeAccessIssue]
                        else:
                            key.fileobj.accept()[0].close()  # pyright: ignore[reportAttributeAccessIssue]
                            self._received.append(key.data)
            time.sleep(0.005)


def _flags(path: Path) -> bytes:
    """The flags of chattr(1), if it is a file or directory."""
    if path.is_symlink() or not (path.is_dir() or path.is_file()):
        return b""
    opened = os.open(path, os.O_RDONLY)
    try:
        return fcntl.ioctl(opened, FS_IOC_GETFLAGS, bytes(8))
    except OSError:
        return b""  # a file system without flags
    finally:
        os.close(opened)


def clock() -> float:
    """The time of day without the time that passes, in seconds: it changes when the clock is set."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def state_of_machine() -> dict[str, Any]:
    """Settings of the kernel, mounts, names, networks, and the files of /etc."""
    found: dict[str, Any] = {"names": (socket.gethostname(), Path("/proc/sys/kernel/domainname").read_text())}
    for path in sorted(Path("/proc/sys").rglob("*")):
        if path.is_file() and not any(part in str(path) for part in CHANGING):
            with contextlib.suppress(OSError):
                found[str(path)] = path.read_bytes()
    for name in (
        "/proc/swaps",
        "/proc/modules",
        "/proc/sysvipc/shm",
        "/proc/sysvipc/msg",
        "/proc/sysvipc/sem",
        "/proc/cmdline",
    ):
        with contextlib.suppress(FileNotFoundError):
            found[name] = [line.split()[:2] for line in Path(name).read_text().splitlines()]
    for folder in ("/etc", "/var/spool", "/sys/fs/cgroup", "/usr/local/bin", "/boot", "/lib/systemd"):
        for path in sorted(Path(folder).rglob("*")) if folder != "/sys/fs/cgroup" else sorted(Path(folder).iterdir()):
            if path.name.startswith(CGROUP_OF_A_TEST):
                continue
            with contextlib.suppress(FileNotFoundError):
                about = path.lstat()
                found[str(path)] = (
                    about.st_mode,
                    about.st_uid,
                    about.st_size,
                    about.st_mtime_ns if folder != "/sys/fs/cgroup" else 0,
                )
    found["top"] = [
        sorted(path.name for path in Path(folder).iterdir()) for folder in ("/", "/root", "/mnt", "/usr/bin")
    ]
    found["network"] = [
        subprocess.run(["ip", "-o", *words], capture_output=True, check=False).stdout
        for words in (["link"], ["rule"], ["route", "show", "table", "all"])
    ]
    # Other tests mount small file systems in directories of pytest at the same time.
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    found["mounts"] = [line for line in mounts if "/pytest-of-" not in line.split()[1]]
    return found
