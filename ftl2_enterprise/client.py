"""The client of the control socket. Every command loads it, so it imports as little as possible."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ftl2_enterprise.core.problem import Code, Problem, invalid, unavailable
from ftl2_enterprise.core.wire import UNDECODABLE, why_undecodable
from ftl2_enterprise.protocol.envelope import (
    VERSION,
    Call,
    Cancel,
    Done,
    Failure,
    FromService,
    Hello,
    Item,
    Reply,
    Welcome,
)
from ftl2_enterprise.protocol.frame import Splitter, framed
from ftl2_enterprise.protocol.verb import reply_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ftl2_enterprise.protocol.verb import Request, Watch

    type Waits = Callable[[float, float], object]
    """Called once with the seconds that have passed without an answer, and the seconds after which it is given up."""

TIMEOUT = 30.0
"""Default maximum of seconds to wait for an answer."""
SOON = 2.0
"""Seconds without an answer after which `waits` is called."""
_START = "start it with `systemctl start ftl2-enterprise`, or `ftl2-enterprise supervise` without systemd"
_CHUNK = 256 * 1024

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[FromService] = msgspec.msgpack.Decoder(FromService)
_replies: dict[type[Request[Any]], msgspec.msgpack.Decoder[Any]] = {}


class ConnectionLost(Problem):
    """The connection to the service was lost; whether a request was executed is unknown."""


class Client:
    """One connection; for one thread at a time. Calls and watches may be interleaved."""

    def __init__(self, stream: socket.socket, timeout: float, waits: Waits | None = None) -> None:
        self._waits: Waits | None = waits
        self._stream: socket.socket = stream
        self._timeout: float = timeout
        self._splitter: Splitter = Splitter()
        self._arrived: deque[bytes] = deque()
        self._watched: dict[int, deque[Item | Done | Failure]] = {}
        """Frames of watches that arrived while another reply was awaited."""
        self._last_id: int = 0
        self.service: str = ""
        """Version of the service."""

    def call[R](self, request: Request[R], *, timeout: float | None = None) -> R:
        """Make a request, and wait for the reply.

        Raises the Problem that the service replies with; ConnectionLost; Problem(unavailable) when no reply comes in
        time. After the latter two it is unknown whether a request that writes was executed.
        """
        call_id = self._ask(request)
        within = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + within
        while True:
            match self._receive(deadline, within):
                case Reply(id=found, result=result) if found == call_id:
                    return _decoded(_decoder_of(type(request)), result)
                case Failure(id=found) as failure if found == call_id:
                    raise _problem(failure)
                case frame:
                    self._keep(frame)

    def watch[I](self, request: Watch[I]) -> Generator[I]:
        """The items as they come, until the service ends the watch; closing the iterator ends it, too.

        Raises Problem as call() does, but waits without a limit.
        """
        call_id = self._ask(request)
        mine = self._watched[call_id] = deque()
        return self._items(call_id, mine, _decoder_of(type(request)))

    def fileno(self) -> int:
        """The descriptor for select(); it is readable when something has arrived for any watch."""
        return self._stream.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def greet(self, program: str) -> None:
        """Exchange greetings. Raises Problem when the service speaks another version of the protocol."""
        self._send(Hello(protocol=VERSION, program=program))
        match self._receive(time.monotonic() + self._timeout, self._timeout):
            case Welcome(protocol=protocol, version=version) if protocol == VERSION:
                self.service = version
            case Welcome(protocol=protocol, version=version):
                raise invalid(
                    f"cannot talk to the service {version}: it speaks version {protocol} of the protocol, this "
                    f"program {VERSION}",
                    "use the ftl2ctl that came with the service",
                )
            case frame:
                raise invalid(f"cannot talk to the service: its first frame is {type(frame).__name__.lower()}")

    def _items[I](
        self, call_id: int, mine: deque[Item | Done | Failure], decoder: msgspec.msgpack.Decoder[I]
    ) -> Generator[I]:
        over = False
        try:
            while True:
                while not mine:
                    self._keep(self._receive(None))
                match mine.popleft():
                    case Item(item=item):
                        yield _decoded(decoder, item)
                    case Done():
                        over = True
                        return
                    case Failure() as failure:
                        over = True
                        raise _problem(failure)
        finally:
            del self._watched[call_id]
            if not over:
                self._cancel(call_id)

    def _ask(self, request: Request[Any]) -> int:
        self._last_id += 1
        self._send(Call(id=self._last_id, request=msgspec.Raw(_encoder.encode(request))))
        return self._last_id

    def _cancel(self, call_id: int) -> None:
        # When the connection is gone, so is the watch.
        with contextlib.suppress(Problem):
            self._send(Cancel(id=call_id))

    def _keep(self, frame: FromService) -> None:
        """Keep a frame of a watch for later; drop a late reply to a call that was given up."""
        if isinstance(frame, Item | Done | Failure) and (waiting := self._watched.get(frame.id)) is not None:
            waiting.append(frame)

    def _send(self, message: Hello | Call | Cancel) -> None:
        frame = framed(_encoder.encode(message))
        try:
            self._stream.settimeout(self._timeout)
            self._stream.sendall(frame)
        except TimeoutError as error:
            raise self._late(self._timeout) from error
        except OSError as error:
            # The service may have sent the reason before it closed.
            while True:
                try:
                    self._receive(time.monotonic() + 1.0, 1.0)
                except Problem as problem:
                    raise problem from error

    def _receive(self, deadline: float | None, within: float = 0.0) -> FromService:
        while not self._arrived:
            try:
                self._stream.settimeout(self._left(deadline, within))
                data = self._stream.recv(_CHUNK)
            except TimeoutError:
                # _left() then calls `waits`, or raises.
                continue
            except OSError as error:
                raise _lost() from error
            if not data:
                raise _lost()
            self._arrived.extend(self._splitter.feed(data))
        try:
            frame = _decoder.decode(self._arrived.popleft())
        except UNDECODABLE as error:
            raise invalid(
                f"cannot understand the service: {why_undecodable(error)}", "is it the right socket?"
            ) from error
        if isinstance(frame, Failure) and frame.id == 0:
            # Id 0: the service ends the connection.
            problem = _problem(frame)
            if problem.code is Code.UNAVAILABLE:
                raise ConnectionLost(problem.code, problem.message, hint=problem.hint)
            raise problem
        return frame

    def _left(self, deadline: float | None, within: float) -> float | None:
        """Seconds until the wait is explained or given up; None for no limit. Raises Problem when it is over."""
        if deadline is None:
            return None
        left = deadline - time.monotonic()
        if left <= 0:
            raise self._late(within)
        if self._waits is None or within <= SOON:
            return left
        if (silent := within - left) < SOON:
            return SOON - silent
        waits, self._waits = self._waits, None
        waits(silent, within)
        return left

    @staticmethod
    def _late(seconds: float) -> Problem:
        return unavailable(
            f"cannot wait any longer: the service has not answered within {seconds:g} s",
            "it may be busy or stopped; try again, or see its log",
        )


def connect(
    path: str | os.PathLike[str], timeout: float = TIMEOUT, *, program: str = "", waits: Waits | None = None
) -> Client:
    """Connect to the service on the socket at that path; `timeout` is for this and for each answer.

    `waits` is called when the first answer takes long.

    Raises Problem: unavailable when no service answers, denied when this user may not connect, invalid when it
    speaks another version of the protocol.
    """
    where = os.fspath(path)
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.settimeout(timeout)
        stream.connect(where)
        client = Client(stream, timeout, waits)
        client.greet(program)
    except OSError as error:
        stream.close()
        raise _unreachable(error, where) from error
    except BaseException:
        stream.close()
        raise
    return client


def _unreachable(error: OSError, path: str) -> Problem:
    what = f"cannot reach the service at {path}"
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return unavailable(f"{what}: there is no such socket", _START)
        case errno.ECONNREFUSED:
            return unavailable(f"{what}: no process listens", _START)
        case errno.EACCES | errno.EPERM:
            return Problem(
                Code.DENIED,
                f"{what}: permission denied",
                hint="ask for membership of the socket's group (`ls -l` shows it), then log in again",
            )
        case errno.EAGAIN | None:
            # EAGAIN: the queue of connections is full. None: a timeout, or the path is too long.
            if isinstance(error, TimeoutError) or error.errno is not None:
                return unavailable(f"{what}: it does not answer", "it may be starting; try again")
            return invalid(f"{what}: {error}", "give another path with --socket")
        case _:
            return unavailable(f"{what}: {os.strerror(error.errno).lower()}")


def _lost() -> Problem:
    return ConnectionLost(
        Code.UNAVAILABLE,
        "cannot continue: the connection to the service was lost",
        hint="it may be restarting; check whether the request was executed, and try again",
    )


def _problem(failure: Failure) -> Problem:
    return Problem(failure.code, failure.message, hint=failure.hint)


def _decoded[R](decoder: msgspec.msgpack.Decoder[R], body: msgspec.Raw) -> R:
    try:
        return decoder.decode(body)
    except UNDECODABLE as error:
        hint = "use the ftl2ctl that came with the service"
        raise invalid(f"cannot understand the service: {why_undecodable(error)}", hint) from error


def _decoder_of(request: type[Request[Any]]) -> msgspec.msgpack.Decoder[Any]:
    found = _replies.get(request)
    if found is None:
        found = _replies[request] = msgspec.msgpack.Decoder(reply_of(request))
    return found
