"""The current state of the service, kept up to date by two threads with their own connections.

Events only wake the thread that reads: what is shown is what the service lists, so nothing is missed after a lost
connection.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl.completion import AskedNames
from ftl2_enterprise.ctl.session import CtlSession
from ftl2_enterprise.protocol.service.verbs import GetSettings, SettingLine, WatchEvents

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.ctl.repl.parts import Parts
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.render.colour import Painter

SHORTEST_PAUSE = 0.2
"""Seconds between two reads, however many events there are."""
SHARE = 10
"""The pause after a read is at least this many times as long as the read,"""
LONGEST_REST = 2.0
"""but at most this many seconds, because the read may have waited for a service that was starting."""
LONGEST_PAUSE = 5.0
"""Seconds after which the state is read without an event."""
FIRST_RETRY = 0.1
LAST_RETRY = 2.0
PATIENCE = 5.0
"""Seconds that a connection or a reply may take."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the last read returned."""

    problem: Problem | None = None
    """Why the service cannot be read; the rest is older."""
    is_read: bool = False
    """Something was read at least once."""
    states: dict[str, Any] = {}
    """The state of each part, by the name of its capability."""
    settings: tuple[SettingLine, ...] = ()


class LiveSnapshot:
    """Reads the service until the program ends. It is a source of `Names`, so that completion does not wait."""

    def __init__(
        self,
        out: Painter,
        socket: str | None,
        changed: Callable[[Snapshot, Snapshot], None],
        *,
        parts: Parts,
    ) -> None:
        self.now: Snapshot = Snapshot()
        self._out = out
        self._socket = socket
        self._changed = changed
        self._parts = parts
        self._woken = threading.Event()
        self._ended = threading.Event()

    def start(self) -> None:
        """Start the threads."""
        for target in (self._listen, self._read):
            threading.Thread(target=target, name=f"snapshot {target.__name__}", daemon=True).start()

    def stop(self) -> None:
        """Stop reading; the threads end with what they wait for, or with the program."""
        self._ended.set()
        self._woken.set()

    def wake(self) -> None:
        """Read now."""
        self._woken.set()

    def ask[R](self, request: Request[R]) -> R | None:
        """The reply to a verb that lists names, from the last read if it is among it; None when there is none."""
        now = self.now
        if not now.is_read:
            return None
        if isinstance(request, GetSettings):
            return cast("R", list(now.settings))
        for name, part in self._parts.items():
            if (known := part.reply(now.states[name], request)) is not None:
                return cast("R", known)
        with self.session() as session:
            return AskedNames(session).ask(request)

    def session(self) -> CtlSession:
        """A separate session, for a thread of the caller."""
        return CtlSession(out=self._out, socket=self._socket, within=PATIENCE)

    # --- threads ---------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        pause = FIRST_RETRY
        while not self._ended.is_set():
            try:
                with self.session().connect() as connection:
                    watched = connection.watch(WatchEvents())
                    pause = FIRST_RETRY
                    # Events before the watch began are covered by one more read.
                    self._woken.set()
                    for _event in watched:
                        self._woken.set()
            except Problem:
                # The other thread has the same problem and reports it.
                self._woken.set()
            self._ended.wait(pause)
            pause = min(pause * 2, LAST_RETRY)

    def _read(self) -> None:
        retry = FIRST_RETRY
        while not self._ended.is_set():
            self._woken.clear()
            begun = time.monotonic()
            before = self.now
            self.now = self._taken(before)
            self._changed(before, self.now)
            if self.now.problem is not None:
                self._ended.wait(retry)
                retry = min(retry * 2, LAST_RETRY)
                continue
            retry = FIRST_RETRY
            self._ended.wait(min(LONGEST_REST, max(SHORTEST_PAUSE, SHARE * (time.monotonic() - begun))))
            self._woken.wait(LONGEST_PAUSE)

    def _taken(self, before: Snapshot) -> Snapshot:
        try:
            with self.session() as session:
                # Without any part, too, a read shows whether the service can be reached.
                session.reach()
                states = {name: part.read(session, before.states.get(name)) for name, part in self._parts.items()}
                settings = before.settings or _settings(session)
        except Problem as problem:
            return msgspec.structs.replace(before, problem=problem)
        except Exception as error:
            # A defect must not leave an old state on display without notice.
            problem = Problem(Code.INTERNAL, f"cannot read the service: {type(error).__name__}")
            return msgspec.structs.replace(before, problem=problem)
        return Snapshot(is_read=True, states=states, settings=settings)


def _settings(session: CtlSession) -> tuple[SettingLine, ...]:
    try:
        return tuple(session.call(GetSettings()))
    except Problem:
        # They are needed for completion only.
        return ()
