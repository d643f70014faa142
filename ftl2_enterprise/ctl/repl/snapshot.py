"""What the service does now, kept up to date by threads with connections of their own.

Events only wake: what is shown is what the service lists, so nothing is missed while it was away.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl import name_lookup
from ftl2_enterprise.ctl.session import Session
from ftl2_enterprise.protocol.loops.replies import LoopLine, PromptLine, RuleInfo
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, ListRules, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import GetSettings, WatchEvents

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.ctl.completion import Candidate
    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.render.colour import Painter

SHORTEST_PAUSE = 0.2
"""Seconds between two looks, however many events there are."""
SHARE = 10
"""A look that takes long is followed by a pause that is as many times longer,"""
LONGEST_REST = 2.0
"""but not longer than so many seconds: it may have waited for a service that was being started."""
LONGEST_PAUSE = 5.0
"""Seconds after which it is looked without an event."""
FIRST_RETRY = 0.1
LAST_RETRY = 2.0
PATIENCE = 5.0
"""Seconds that an answer may take, and a connection."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen when it was looked last."""

    problem: Problem | None = None
    """Why the service cannot be seen; the rest is from before."""
    has_looked: bool = False
    draining: bool = False
    """The service is stopping."""
    loops: tuple[LoopLine, ...] = ()
    """Newest first, also those that have ended."""
    prompts: tuple[PromptLine, ...] = ()
    """Open ones, oldest first."""
    rules: tuple[RuleInfo, ...] = ()
    settings: tuple[str, ...] = ()
    """Their keys."""


class Live:
    """Looks until the program ends. Its names are those of the last look, so that completion never waits."""

    def __init__(
        self,
        out: Painter,
        socket: str | None,
        changed: Callable[[Snapshot, Snapshot], None],
    ) -> None:
        self.now: Snapshot = Snapshot()
        self._out = out
        self._socket = socket
        self._changed = changed
        self._woken = threading.Event()
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to look."""
        for target in (self._listen, self._look):
            threading.Thread(target=target, name=f"live {target.__name__}", daemon=True).start()

    def stop(self) -> None:
        """Look no more; the threads end with what they wait for, or with the program."""
        self._ended.set()
        self._woken.set()

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    # --- names -----------------------------------------------------------------------------------------------------

    def loops(self, command: str = "") -> list[Candidate]:
        """Names of loops."""
        return name_lookup.loop_candidates(self.now.loops, command)

    def prompts(self) -> list[Candidate]:
        """Open prompts."""
        return name_lookup.prompt_candidates(self.now.prompts)

    def rules(self) -> list[Candidate]:
        """Rules."""
        return name_lookup.rule_candidates(self.now.rules)

    def answers(self, prompt: int) -> list[Candidate]:
        """Options of a prompt."""
        return name_lookup.answer_candidates(self.now.prompts, prompt)

    def settings(self) -> list[Candidate]:
        """Keys of settings."""
        return name_lookup.setting_candidates(self.now.settings)

    def prompt(self, prompt_id: int) -> Prompt | None:
        """The prompt as it is now; None when it is gone. Raises Problem when that cannot be told."""
        try:
            with Session(out=self._out, socket=self._socket, within=PATIENCE) as session:
                return session.call(ShowPrompt(prompt=prompt_id)).prompt
        except Problem as problem:
            if problem.code is Code.NOT_FOUND:
                return None
            raise

    # --- threads ---------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        pause = FIRST_RETRY
        while not self._ended.is_set():
            try:
                with Session(out=self._out, socket=self._socket, within=PATIENCE).connect() as connection:
                    watched = connection.watch(WatchEvents())
                    pause = FIRST_RETRY
                    # What happened before the watch began is seen by looking once more.
                    self._woken.set()
                    for _event in watched:
                        self._woken.set()
            except Problem:
                # The one who looks finds out and tells.
                self._woken.set()
            self._ended.wait(pause)
            pause = min(pause * 2, LAST_RETRY)

    def _look(self) -> None:
        retry = FIRST_RETRY
        while not self._ended.is_set():
            self._woken.clear()
            begun = time.monotonic()
            before = self.now
            self.now = self._seen(before)
            self._changed(before, self.now)
            if self.now.problem is not None:
                self._ended.wait(retry)
                retry = min(retry * 2, LAST_RETRY)
                continue
            retry = FIRST_RETRY
            self._ended.wait(min(LONGEST_REST, max(SHORTEST_PAUSE, SHARE * (time.monotonic() - begun))))
            self._woken.wait(LONGEST_PAUSE)

    def _seen(self, before: Snapshot) -> Snapshot:
        try:
            with Session(out=self._out, socket=self._socket, within=PATIENCE) as session:
                page = session.call(ListLoops(finished=True))
                prompts = session.call(ListPrompts(limit=1000))
                rules = session.call(ListRules()) if not before.rules else before.rules
                settings = before.settings or _keys(session)
        except Problem as problem:
            return msgspec.structs.replace(before, problem=problem)
        except Exception as error:
            # A defect here must not leave the toolbar as it was for ever.
            problem = Problem(Code.INTERNAL, f"cannot look at the service: {type(error).__name__}")
            return msgspec.structs.replace(before, problem=problem)
        oldest_first = sorted(prompts, key=lambda one: (one.prompt.asked_at, one.prompt.id))
        return Snapshot(
            has_looked=True,
            draining=page.draining,
            loops=tuple(page.loops),
            prompts=tuple(oldest_first),
            rules=tuple(rules),
            settings=settings,
        )


def _keys(session: Session) -> tuple[str, ...]:
    try:
        return tuple(one.key for one in session.call(GetSettings()))
    except Problem:
        # They are completed, and nothing else.
        return ()
