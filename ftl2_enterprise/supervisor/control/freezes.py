"""Freezes: ordering and ending them, and the history in the database, which follows the files.

The files are changed first (`store.freeze_files`), so a freeze holds although the database hangs. The history follows
at once, or as soon as it can be written: also for freezes that another program ordered while control did not run. A
freeze whose file is gone without a record of its end is put in force again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.children import Table  # noqa: TC001 - dispatch resolves the types of handlers
from ftl2_enterprise.core.faults import FaultPoint, reach
from ftl2_enterprise.core.freeze import (
    UNREADABLE,
    UNUSABLE_POLICY,
    Freeze,
    FreezeScope,
    Thaw,
    freeze_of_unusable_policy,
)
from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.gate.effects import EffectKind
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ListFreezes
from ftl2_enterprise.store import freezes as freeze_rows
from ftl2_enterprise.store.freeze_files import FreezeFiles, select
from ftl2_enterprise.store.tx import Tx  # noqa: TC001
from ftl2_enterprise.supervisor.control.service_units import note_readable, record_freeze, record_thaw

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.clock import Clock, Instant
    from ftl2_enterprise.protocol.service.verbs import FreezeEffects, ThawEffects
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.supervisor.control.reconciler import Writing
    from ftl2_enterprise.supervisor.subjects import Subjects

CHECK = 0.5
"""Seconds between checks whether another program has changed the files, or the time of a freeze has ended."""
RECORD_WITHIN = 2.0
"""Seconds for which a request waits until the history is written."""
UNRECORDED = "the freezes in force are not recorded in the database yet"

_log = logging.getLogger(__name__)


class Freezes:
    """The freezes of the service's database."""

    def __init__(
        self,
        store: Store,
        writer: Writing,
        subjects: Subjects,
        clock: Clock,
        *,
        splay: Callable[[], float],
        changed: Callable[[], object],
        unusable: Callable[[], str] = lambda: "",
    ) -> None:
        """`unusable`: why nothing may begin although no person has ordered that, in a sentence; else empty."""
        self.files: FreezeFiles = FreezeFiles(store.path)
        self.problem: str = ""
        """What is wrong with them, in a sentence."""
        self._store = store
        self._writer = writer
        self._subjects = subjects
        self._clock = clock
        self._splay = splay
        self._changed = changed
        self._unusable = unusable
        self._lock: asyncio.Lock = asyncio.Lock()
        self._recorded: frozenset[str] | None = None
        """The names of the files that agree with the history."""
        self._was_unreadable: bool = False

    def in_force(self) -> list[FreezeRecord]:
        """The freezes in force now, oldest first; without names while the database cannot be read."""
        now = self._clock.now()
        found = [freeze for freeze in self.files.in_force() if not freeze.is_over(now)]
        try:
            with self._store.read() as tx:
                return [FreezeRecord(freeze=one, name=self._name_of(tx, one)) for one in found]
        except Problem:
            return [FreezeRecord(freeze=one) for one in found]

    def list_freezes(self, tx: Tx, request: ListFreezes, children: Table) -> list[FreezeRecord]:
        """The freezes in force, or those that have ended."""
        del children
        if request.ended:
            ended = freeze_rows.ended_freezes(tx, limit=request.limit)
            return [
                FreezeRecord(freeze=one, name=self._name_of(tx, one), ended_at=at, ended_by=by)
                for one, at, by in ended
            ]
        now = self._clock.now()
        found = [freeze for freeze in self.files.in_force() if not freeze.is_over(now)]
        if sentence := self._unusable():
            found.append(freeze_of_unusable_policy(sentence))
        return [FreezeRecord(freeze=one, name=self._name_of(tx, one)) for one in found[: request.limit]]

    def _name_of(self, tx: Tx, freeze: Freeze) -> str | None:
        return self._subjects.name_of(tx, freeze.of) if freeze.scope is FreezeScope.SUBJECT else None

    # --- requests ---------------------------------------------------------------------------------------------------

    async def freeze(self, request: FreezeEffects, by: str, *, is_administrator: bool) -> FreezeRecord:
        """Put a freeze in force, and record it. Raises Problem; then it is not in force.

        When this returns it is in force, although the history may not be written yet.
        """
        made = self._made(request, by, is_administrator=is_administrator)
        await asyncio.to_thread(self.files.add, made)
        await self._record_soon()
        with self._store.read() as tx:
            return FreezeRecord(freeze=made, name=self._name_of(tx, made))

    def _made(self, request: FreezeEffects, by: str, *, is_administrator: bool) -> Freeze:
        reason = " ".join(request.reason.split())
        if not reason:
            raise invalid("cannot freeze without a reason", "give one, for those who find it frozen")
        return Freeze(
            id=secrets.token_hex(4),
            scope=request.scope,
            of=self._of(request.scope, request.of),
            reason=reason,
            by=by,
            since=self._clock.now(),
            until=check_end(request.until, self._clock.now()),
            now=request.now,
            by_administrator=is_administrator,
        )

    def _of(self, scope: FreezeScope, of: str) -> str:
        """What a freeze covers, as it is stored. Raises Problem."""
        if (scope is FreezeScope.ALL) != (not of):
            raise invalid(f"cannot freeze {of or 'nothing'!r} with the scope {scope}")
        match scope:
            case FreezeScope.SUBJECT:
                with self._store.read() as tx:
                    return self._subjects.find(tx, of)
            case FreezeScope.KIND if of not in {kind.value for kind in EffectKind}:
                raise invalid(f"cannot freeze {of!r}: there is no such kind of effect")
            case _:
                return of

    async def thaw(self, request: ThawEffects, by: str) -> list[FreezeRecord]:
        """End the freezes that `selected` has found, and record that. Raises Problem."""
        chosen = self.selected(request)
        for one in chosen:
            thaw = Thaw(id=one.id, by=by, at=self._clock.now(), gradually=request.gradually)
            await asyncio.to_thread(self.files.remove, thaw)
        await self._record_soon()
        now = self._clock.now()
        with self._store.read() as tx:
            return [
                FreezeRecord(freeze=one, name=self._name_of(tx, one), ended_at=now, ended_by=by) for one in chosen
            ]

    def selected(self, request: ThawEffects) -> list[Freeze]:
        """The freezes in force that the request ends. Raises Problem when there is none."""
        return select(
            self.files.in_force(),
            request.id,
            request.scope,
            self._selection(request),
            is_policy_usable=not self._unusable(),
        )

    def _selection(self, request: ThawEffects) -> str:
        return "" if request.id is not None else self._of(request.scope, request.of)

    # --- history ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the history equal to the files, until cancelled."""
        while True:
            try:
                if self.files.state() != self._recorded or self._is_one_over():
                    await self.record()
            except Problem as problem:
                self._report(f"{UNRECORDED}: {problem}")
            await asyncio.sleep(CHECK)

    async def policy_changed(self) -> None:
        """Let everything begin again that an unusable policy held."""
        try:
            await self._writer.execute([note_readable.call(UNUSABLE_POLICY)])
        except Problem as problem:
            # Each of them finds it out later.
            _log.warning("cannot wake what the policy held: %s", problem)

    def _is_one_over(self) -> bool:
        now = self._clock.now()
        return any(freeze.is_over(now) for freeze in self.files.in_force())

    async def _record_soon(self) -> None:
        try:
            async with asyncio.timeout(RECORD_WITHIN):
                await self.record()
        except (Problem, TimeoutError) as error:
            # It is in force; `run` tries again.
            self._report(f"{UNRECORDED}: {error or 'the writer is silent'}")

    async def record(self) -> None:
        """Make the history equal to the files. Repeating it is harmless. Raises Problem when it cannot be written."""
        async with self._lock:
            await self._record()
        self._changed()

    async def _record(self) -> None:
        state = self.files.state()
        found = self.files.in_force()
        unreadable = next((one for one in found if one.id == UNREADABLE), None)
        if unreadable is not None:
            self._was_unreadable = True
            self._report(unreadable.reason)
            self._recorded = None
            return
        now = self._clock.now()
        for freeze in found:
            if freeze.is_over(now):
                await asyncio.to_thread(self.files.remove, Thaw(id=freeze.id, by="", at=now))
        with self._store.read() as tx:
            open_rows = {one.id: one for one in freeze_rows.open_freezes(tx)}
        for freeze in found:
            if freeze.id not in open_rows:
                await self._writer.execute([record_freeze.call(freeze)])
                reach(FaultPoint.FREEZE_RECORDED)
        thawed = {one.id for one in self.files.thawed()}
        await self._record_ends()
        await self._restore(open_rows, known=thawed)
        if self._was_unreadable:
            await self._writer.execute([note_readable.call(UNREADABLE)])
            self._was_unreadable = False
        self._recorded = self.files.state() if self.files.state() <= state else None
        self._report("")

    async def _record_ends(self) -> None:
        for thaw in self.files.thawed():
            await self._writer.execute([record_thaw.call(thaw, over=self._splay())])
            reach(FaultPoint.THAW_RECORDED)
            await asyncio.to_thread(self.files.forget, thaw.id)

    async def _restore(self, open_rows: dict[str, Freeze], *, known: set[str]) -> None:
        """Put freezes in force again whose files are gone without a record of who ended them."""
        there = {name.partition(".")[0] for name in self.files.state()}
        for freeze in open_rows.values():
            if freeze.id in there or freeze.id in known:
                continue
            with self._store.read() as tx:
                is_open = freeze.id in {one.id for one in freeze_rows.open_freezes(tx)}
            if is_open:
                _log.warning("the file of the freeze %s was gone; it is in force again", freeze.id)
                await asyncio.to_thread(self.files.add, freeze)

    def _report(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("%s", problem)
        self.problem = problem


READS: dict[type[Any], Callable[..., Any]] = {ListFreezes: Freezes.list_freezes}
"""The handlers of verbs that read, as functions of the freezes and of what such handlers take."""


def check_end(until: Instant | None, now: Instant) -> Instant | None:
    """The end of a freeze. Raises Problem(invalid) for one that has passed."""
    if until is not None and until <= now:
        raise invalid("cannot freeze until then: that time has passed")
    return until
