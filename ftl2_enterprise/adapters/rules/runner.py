"""The port `RuleRunner`: one process executes the rules of a loop, and is replaced when it ends or is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.adapters.rules import messages
from ftl2_enterprise.adapters.rules.messages import BadMessage
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.shorten import shorten_line
from ftl2_enterprise.loops.ports import BrokenRuleFile, CannotRunRules, RuleDeclaration, RuleJudgement
from ftl2_enterprise.loops.rules.api import shown
from ftl2_enterprise.loops.rules.compiled import not_in_time
from ftl2_enterprise.protocol.frame import Splitter

if TYPE_CHECKING:
    from ftl2_enterprise.adapters.rules.messages import FromRules, ToRules
    from ftl2_enterprise.loops.ports import ModuleResult, RuleEffects, RuleSource

HINT = b"y"
START_LIMIT = 60.0
LOAD_LIMIT = 30.0
ACT_LIMIT = 600.0
"""Seconds that an action may take without making a call."""
GRACE = 2.0
"""Seconds after its time limit in which the process may still report."""
END_LIMIT = 5.0
MOST_CALLS = 1000
"""Calls of an action that may wait at the same time."""
CHUNK = 1 << 18
REASON = 1 << 12
MOST_READS = 64
"""Reads of what an ended process has left in its pipe."""
MOST_LINES = 1000
"""Lines of output of one process that are logged."""

type Open = Callable[[bytes], socket.socket]
"""Forks a supervisor by that hint and returns the connection to it. Raises OSError."""


class _ProcessEnded(Exception):
    """The process of rules has ended, or was killed because it did not do what it should."""


class _NotFenced(Exception):
    """The sandbox cannot be built; the message is the reason."""


class RuleProcesses:
    """Executes rules in a process that starts when it is needed first."""

    def __init__(
        self,
        open_supervisor: Open,
        *,
        output: Callable[[str], None] = lambda line: None,
        hidden: Sequence[str] = (),
        needs_fence: bool = False,
    ) -> None:
        """`output` receives each line that rules print.

        The files and directories in `hidden` cannot be read. With `needs_fence`, rules are not executed where the
        sandbox cannot be built.
        """
        self._open = open_supervisor
        self._output = output
        self._hidden = list(hidden)
        self._needs_fence = needs_fence
        self._is_fenced: bool = True
        self._turn = asyncio.Lock()
        self._process: _RuleProcess | None = None
        self._declared: dict[tuple[str, str], RuleDeclaration | BrokenRuleFile] = {}

    def get_ready(self) -> None:
        """Start the process now, so that the first rule does not wait for it."""
        if self._process is None:
            with contextlib.suppress(OSError):  # the first use tries again, and reports it
                self._process = self._start()

    async def load(self, file: RuleSource) -> RuleDeclaration | BrokenRuleFile:
        """Execute the file, once for each content."""
        known = self._declared.get((file.path, file.digest))
        if known is None:
            async with self._turn:
                known = await self._load(file)
            # Invalid files are noted in rules.json. One that ended the process would do so in every iteration.
            if isinstance(known, RuleDeclaration) or not known.is_certain:
                self._declared[file.path, file.digest] = known
        return known

    async def evaluate(self, file: RuleSource, state: Mapping[str, Any], limit: float) -> RuleJudgement:
        """Evaluate the condition of a loaded rule."""
        async with self._turn:
            try:
                process = await self._with(file)
                request = messages.Evaluate(path=file.path, state=dict(state), timeout=limit)
                reply = await self._exchange(process, request, limit + GRACE)
            except TimeoutError:
                return RuleJudgement(error=not_in_time(limit))
            except _ProcessEnded as error:
                return RuleJudgement(error=f"{error} while the condition was evaluated")
            except (BadMessage, CannotRunRules) as error:
                return RuleJudgement(error=str(error))
            if not isinstance(reply, messages.Judged):
                self._kill()
                return RuleJudgement(error="its process sent something else than whether the condition holds")
            return RuleJudgement(matched=reply.matched, error=reply.error)

    async def act(
        self, file: RuleSource, state: Mapping[str, Any], targets: Sequence[str], effects: RuleEffects
    ) -> str:
        """Run the action of a loaded rule; returns its error, or an empty text."""
        async with self._turn:
            process: _RuleProcess | None = None
            is_done = False
            try:
                process = await self._with(file)
                await process.send(messages.Act(path=file.path, state=dict(state), targets=list(targets)))
                error = await _RunningAction(process, effects).run()
                is_done = True
            except TimeoutError:
                return f"the action did not end, and made no call, within {ACT_LIMIT:g} s"
            except _ProcessEnded as ended:
                return f"{ended} while the action ran"
            except (BadMessage, CannotRunRules) as failed:
                return str(failed)
            else:
                return error
            finally:
                if not is_done:
                    self._kill()

    async def close(self) -> None:
        """End the process and everything that it has started."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    async def _with(self, file: RuleSource) -> _RuleProcess:
        """The process, with that rule loaded. Raises _ProcessEnded, CannotRunRules and TimeoutError."""
        process = await self._started()
        if (file.path, file.digest) not in process.loaded:
            loaded = await self._load(file)
            if isinstance(loaded, BrokenRuleFile):
                raise _ProcessEnded(loaded.error)
            process = await self._started()
        return process

    async def _load(self, file: RuleSource) -> RuleDeclaration | BrokenRuleFile:
        process = await self._started()
        request = messages.Load(name=file.name, path=file.path, digest=file.digest, source=file.source)
        try:
            reply = await self._exchange(process, request, LOAD_LIMIT)
        except TimeoutError:
            return BrokenRuleFile(error=f"its import did not end within {LOAD_LIMIT:g} s")
        except _ProcessEnded as error:
            return BrokenRuleFile(error=f"{error} while the file was imported", is_certain=False)
        except BadMessage as error:
            return BrokenRuleFile(error=str(error), is_certain=False)
        if not isinstance(reply, messages.Declared):
            self._kill()
            return BrokenRuleFile(error="its process sent something else than what the file declares")
        if reply.error is not None:
            return BrokenRuleFile(error=reply.error)
        process.loaded.add((file.path, file.digest))
        return RuleDeclaration(description=reply.description, observe=tuple(reply.observe))

    async def _started(self) -> _RuleProcess:
        """The running process; another one if it has ended. Raises CannotRunRules."""
        if self._process is not None and self._process.has_ended():
            self._kill()
        try:
            if self._process is None:
                self._process = self._start()
            try:
                await self._process.await_start()
            except _NotFenced as error:
                self._kill()
                reason = f"this machine cannot build the sandbox for rules: {error}"
                if self._needs_fence:
                    raise CannotRunRules(f"cannot run rules: {reason}; loops.unfenced_rules is deny") from error
                self._is_fenced = False
                self._output(f"rules are not fenced: {reason}")
                self._process = self._start()
                await self._process.await_start()
        except (OSError, TimeoutError, _ProcessEnded, BadMessage) as error:
            self._kill()
            raise CannotRunRules(f"cannot run rules: their process did not start: {error}") from error
        return self._process

    def _start(self) -> _RuleProcess:
        order = {"paths": [path for path in sys.path if path], "hidden": self._hidden, "fence": self._is_fenced}
        return _RuleProcess(self._open(HINT), self._output, order)

    async def _exchange(self, process: _RuleProcess, request: ToRules, limit: float) -> FromRules:
        """The reply; without one in time the process is killed. Raises TimeoutError, _ProcessEnded, BadMessage."""
        is_done = False
        try:
            async with asyncio.timeout(limit):
                await process.send(request)
                reply = await process.receive()
            is_done = True
            return reply
        finally:
            if not is_done:
                self._kill()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()


class _RuleProcess:
    """The connections to one process of rules and its supervisor."""

    def __init__(self, supervisor: socket.socket, output: Callable[[str], None], order: Mapping[str, Any]) -> None:
        self.loaded: set[tuple[str, str]] = set()
        """Path and digest of each rule that it has loaded."""
        self._supervisor = supervisor
        self._is_started: bool = False
        self._splitter = Splitter(messages.MOST_FROM_RULES)
        self._received: list[FromRules] = []
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)  # noqa: FBT003 - its only form
        read, write = os.pipe()
        self._output = _Output(read, output)
        try:
            socket.send_fds(supervisor, [json.dumps(order).encode()], [theirs.fileno(), write])
        except OSError:
            self.close()
            raise
        finally:
            theirs.close()
            os.close(write)

    async def await_start(self) -> None:
        """Wait until it can execute rules. Raises TimeoutError, _ProcessEnded, _NotFenced and BadMessage."""
        if not self._is_started:
            self._output.listen()
            async with asyncio.timeout(START_LIMIT):
                try:
                    self._is_started = isinstance(await self.receive(), messages.Started)
                except _ProcessEnded:
                    reason = self._reason()
                    if reason:
                        raise _NotFenced(reason) from None
                    raise
            if not self._is_started:
                raise BadMessage("its process sent something else than that it has started")

    def _reason(self) -> str:
        """What the supervisor reported instead of starting the process, if it did."""
        self._supervisor.settimeout(END_LIMIT)
        try:
            return shorten_line(self._supervisor.recv(REASON).decode("utf-8", "replace"), 300)
        except OSError:
            return ""

    def has_ended(self) -> bool:
        """Whether it has ended, or has sent something without a request."""
        if not self._is_started:
            return False
        try:
            self._channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return bool(self._received)
        except OSError:
            pass
        return True

    async def send(self, message: ToRules) -> None:
        """Send the message. Raises _ProcessEnded and BadMessage."""
        data = messages.encode(message, messages.MOST_TO_RULES)
        try:
            await asyncio.get_running_loop().sock_sendall(self._channel, data)
        except OSError as error:
            raise _ProcessEnded("its process ended") from error

    async def receive(self) -> FromRules:
        """The next message. Raises _ProcessEnded and BadMessage."""
        loop = asyncio.get_running_loop()
        while not self._received:
            try:
                data = await loop.sock_recv(self._channel, CHUNK)
            except OSError:
                data = b""
            if not data:
                raise _ProcessEnded("its process ended")
            try:
                self._received += [messages.FROM_RULES.decode(body) for body in self._splitter.feed(data)]
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Problem) as error:
                text = shorten_line(str(error), 200)
                raise BadMessage(f"cannot understand the process of rules: {text}") from error
        return self._received.pop(0)

    def close(self) -> None:
        """Kill it and everything that it has started, and wait for that."""
        with contextlib.suppress(OSError):
            self._supervisor.shutdown(socket.SHUT_WR)
        self._channel.close()
        self._supervisor.settimeout(END_LIMIT)
        with contextlib.suppress(OSError):
            self._supervisor.recv(1)
        self._supervisor.close()
        self._output.close()


class _RunningAction:
    """One run of an action: the rule asks, and this process acts."""

    def __init__(self, process: _RuleProcess, effects: RuleEffects) -> None:
        self._process = process
        self._effects = effects
        self._turn = asyncio.Lock()
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> str:
        """The error of the action, or an empty text."""
        try:
            while True:
                match await self._next():
                    case messages.ActionEnded(error=error):
                        return error
                    case messages.CallRequest() as call:
                        self._begin(call)
                    case messages.Withdraw(call=number):
                        if number in self._calls:
                            self._calls[number].cancel()
                    case messages.Change(op=op):
                        self._effects.change(op)
                    case other:
                        name = type(other).__name__.lower()
                        raise BadMessage(f"cannot understand the process of rules: {name} during an action")
        finally:
            left = list(self._calls.values())
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            if not self._failed.cancel() and not self._failed.cancelled():
                self._failed.exception()  # it has been seen, or the next write of the engine fails in the same way

    async def _next(self) -> FromRules:
        """The next message. Raises what a call has raised."""
        reading = asyncio.ensure_future(self._process.receive())
        try:
            while True:
                limit = None if self._calls else ACT_LIMIT
                running = {reading, self._failed, *self._calls.values()}
                await asyncio.wait(running, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                if self._failed.done():
                    self._failed.result()
                if reading.done():
                    return reading.result()
                if limit is not None and not self._calls:
                    raise TimeoutError
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    def _begin(self, call: messages.CallRequest) -> None:
        if call.call in self._calls or len(self._calls) >= MOST_CALLS:
            raise BadMessage(f"cannot make the call: at most {MOST_CALLS} may wait at the same time")
        task = self._calls[call.call] = asyncio.create_task(self._perform(call))
        task.add_done_callback(lambda _: self._calls.pop(call.call, None))

    async def _perform(self, call: messages.CallRequest) -> None:
        try:
            # Calls of one rule run one after the other, even under asyncio.gather: their order is recorded.
            async with self._turn:
                pairs = await self._effects.perform(call.module, call.params, call.host)
            await self._process.send(_result(call, pairs))
        except _ProcessEnded:
            pass  # the end of the stream reports it
        except Exception as error:
            if not self._failed.done():
                self._failed.set_exception(error)


def _result(call: messages.CallRequest, pairs: Sequence[tuple[str, ModuleResult]]) -> messages.Result:
    results = [(host, shown(call.module, host, result)) for host, result in pairs]
    return messages.Result(call=call.call, pairs=results)


class _Output:
    """What rules print: a pipe whose lines are logged, up to a limit."""

    def __init__(self, descriptor: int, log: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._log = log
        self._rest = b""
        self._lines: int = 0
        self._listens_in: asyncio.AbstractEventLoop | None = None
        os.set_blocking(descriptor, False)

    def listen(self) -> None:
        """Log lines as they arrive."""
        if self._listens_in is None:
            self._listens_in = asyncio.get_running_loop()
            self._listens_in.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Log what is left."""
        for _ in range(MOST_READS):
            if not self._read():
                break
        self._log_lines([self._rest] if self._rest else [])
        if self._listens_in is not None:
            self._listens_in.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> bool:
        """Whether something could be read."""
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            if self._listens_in is not None:
                self._listens_in.remove_reader(self._descriptor)
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > CHUNK:
            lines, self._rest = [*lines, self._rest], b""
        self._log_lines(lines)
        return True

    def _log_lines(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            self._lines += 1
            if self._lines <= MOST_LINES:
                self._log(shorten_line(line.decode("utf-8", "replace"), 500))
            elif self._lines == MOST_LINES + 1:
                self._log(f"the rules have printed {MOST_LINES} lines; more are not logged")
