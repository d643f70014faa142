"""The process from which readers are forked, and the readers.

A reader reads what requests name: files on file systems that may not respond, texts that need more memory than there
is, programs that do not end. It executes one request at a time, has limits, and is killed with everything that it has
started when control closes its connection. The process that forks readers has one thread and does nothing else, so
nothing can hold it up.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import struct
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.supervisor import prctl
from ftl2_enterprise.supervisor.readers.messages import MOST, ReadReply, ReadRequest
from ftl2_enterprise.supervisor.root.process_tree import children_of, kill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl2_enterprise.supervisor.readers.messages import Reading

NAME, FORKER_NAME = "reader", "readers"
LENGTH = struct.Struct(">I")
MEMORY = 512 << 20
"""Bytes of data that a reader, or a program that it starts, may have in addition to what it begins with."""
ADDRESSES = 4 << 30
"""Bytes of address space in addition: programs reserve much more than they use."""
LARGEST_FILE = 64 << 20
"""Bytes of a file that a program writes."""
OPEN_FILES = 1 << 20
"""Descriptors above this are not used: it is the kernel's default maximum (fs.nr_open)."""
PROCESSOR_SECONDS = 30
"""Of one request."""
NICE = 5
"""Readers give way to control, which answers other requests."""
AGAIN = 50
"""Milliseconds after which orphans are searched again."""


def serve(control: socket.socket, readings: Mapping[str, Reading[Any, Any]]) -> None:
    """Fork a reader for every socket that is received; return when the other end closes."""
    prctl.set_name(FORKER_NAME)
    prctl.adopt_orphans()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _ReaderForker(control, readings).run()


class _ReaderForker:
    def __init__(self, control: socket.socket, readings: Mapping[str, Reading[Any, Any]]) -> None:
        self._control = control
        self._readings = readings
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._readers: dict[int, tuple[int, socket.socket]] = {}
        """By the descriptor of its end: the pid, and our copy of its connection."""

    def run(self) -> None:
        leaves_some = False
        try:
            while True:
                for descriptor, _ in self._poll.poll(AGAIN if leaves_some else None):
                    if descriptor == self._control.fileno():
                        if not self._receive():
                            return
                    elif descriptor in self._readers:
                        self._remove(descriptor)
                        leaves_some = True
                    else:
                        self._kill(descriptor)
                leaves_some = leaves_some and self._kill_orphans()
        finally:
            kill(set(children_of(os.getpid())))

    def _receive(self) -> bool:
        try:
            message, fds, _, _ = socket.recv_fds(self._control, 1, 1)
        except ConnectionError:
            return False
        if not message:
            return False
        connection = socket.socket(fileno=fds[0])
        try:
            pid = os.fork()
        except OSError:
            # Control sees that the connection is closed.
            connection.close()
            return True
        if pid == 0:
            self._become_reader(connection)
        ended = os.pidfd_open(pid)
        self._readers[ended] = (pid, connection)
        self._poll.register(ended, select.POLLIN)
        # Only whether control has closed it: what is sent is for the reader.
        self._poll.register(connection, select.POLLRDHUP | select.POLLHUP)
        return True

    def _become_reader(self, connection: socket.socket) -> None:
        status = 70
        try:
            self._control.close()
            for ended, (_, other) in self._readers.items():
                os.close(ended)
                other.close()
            _read(connection, self._readings)
            status = 0
        finally:
            os._exit(status)

    def _kill(self, descriptor: int) -> None:
        for pid, connection in self._readers.values():
            if connection.fileno() == descriptor:
                self._poll.unregister(descriptor)
                kill({pid})
                return

    def _remove(self, ended: int) -> None:
        pid, connection = self._readers.pop(ended)
        self._poll.unregister(ended)
        os.close(ended)
        with contextlib.suppress(KeyError):
            self._poll.unregister(connection)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        connection.close()

    def _kill_orphans(self) -> bool:
        """Kill what ended readers have started, which this process has adopted; whether some may be left."""
        readers = {pid for pid, _ in self._readers.values()}
        orphans = set(children_of(os.getpid())) - readers
        kill(orphans, readers)
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return bool(orphans)


def _read(connection: socket.socket, readings: Mapping[str, Reading[Any, Any]]) -> None:
    """Be a reader: execute one request after the other, until control closes the connection or one needs too much."""
    parent = os.getppid()
    prctl.set_name(NAME)
    prctl.die_with_parent()
    if os.getppid() != parent:
        return
    os.setsid()
    prctl.adopt_orphans()
    os.nice(NICE)
    limit_memory()
    is_usable = True
    while is_usable and (data := _receive(connection)) is not None:
        _limit_time()
        reply, is_usable = _answer(msgspec.msgpack.decode(data, type=ReadRequest), readings)
        body = msgspec.msgpack.encode(reply)
        if len(body) > MOST:
            what = f"cannot reply: what was read has more than {MOST >> 20} MiB"
            body = msgspec.msgpack.encode(_refusal(invalid(what, "name fewer or smaller files")))
            is_usable = False
        kill(set(children_of(os.getpid())))
        connection.sendall(LENGTH.pack(len(body)) + body)


def _answer(given: ReadRequest, readings: Mapping[str, Reading[Any, Any]]) -> tuple[ReadReply, bool]:
    """The reply, and whether this process can execute another request."""
    reading = readings[given.reading]
    request = msgspec.msgpack.decode(given.request, type=reading.takes)
    try:
        return ReadReply(result=msgspec.msgpack.encode(reading.work(request, given.argument))), True
    except Problem as problem:
        return _refusal(problem), True
    except MemoryError:
        pass
    except RecursionError:
        what = f"cannot read {reading.names(request)}: something in it is nested too deeply"
        return _refusal(invalid(what, "use fewer levels")), False
    except Exception:
        return ReadReply(crash=traceback.format_exc()), False
    # Not in the handler, in which the memory of the failed frames is still in use.
    what = f"cannot read {reading.names(request)}: that takes more than {MEMORY >> 20} MiB of memory"
    return _refusal(invalid(what, "name smaller files")), False


def _refusal(problem: Problem) -> ReadReply:
    return ReadReply(code=problem.code, message=problem.message, hint=problem.hint)


def limit_memory() -> None:
    """Limit the memory and the files of this process and of the programs that it starts."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
        total, _, _, _, _, data, _ = (int(pages) * resource.getpagesize() for pages in file.read().split())
    for kind, most in (
        (resource.RLIMIT_AS, total + ADDRESSES),
        (resource.RLIMIT_DATA, data + MEMORY),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
        # If memory is short, the kernel ends this process, and not control.
        file.write("1000")


def _limit_time() -> None:
    """Limit the processor time of the next request."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(used.ru_utime + used.ru_stime) + PROCESSOR_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _receive(connection: socket.socket) -> bytes | None:
    """A request; None at the end of the connection."""
    head = _exactly(connection, LENGTH.size)
    if head is None:
        return None
    (size,) = LENGTH.unpack(head)
    return _exactly(connection, size) if size <= MOST else None


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        chunk = connection.recv(min(size - len(found), 1 << 20))
        if not chunk:
            return None
        found += chunk
    return bytes(found)


def forked(work: Callable[[socket.socket], None]) -> socket.socket:
    """Fork a process that calls `work` with its end of a connection; returns the other end. Raises OSError.

    This process must have one thread. The forked one keeps no other open file, whose other end may wait for its end.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid:
        theirs.close()
        return ours
    try:
        os.closerange(3, theirs.fileno())
        os.closerange(theirs.fileno() + 1, OPEN_FILES)
        prctl.die_with_parent()
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        if os.getppid() == parent:
            work(theirs)
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(0)
