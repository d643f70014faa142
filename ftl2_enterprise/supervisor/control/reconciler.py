"""Reconciliation: managers compare desired and actual state, and root gets the difference.

It is level-triggered. A commit, a message of root or a timer wakes it, and each pass considers everything, so a lost
wake-up costs time and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from ftl2_enterprise.core.backoff import exponential
from ftl2_enterprise.core.children import Urgency
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.supervisor.control.admission import admit
from ftl2_enterprise.supervisor.control.root_messages import Alive, ControlReady, ShowStatus, StopChild, WakeChild
from ftl2_enterprise.supervisor.control.service_units import prove
from ftl2_enterprise.supervisor.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ftl2_enterprise.core.children import Child, Ending, Plan
    from ftl2_enterprise.core.clock import Clock, Instant
    from ftl2_enterprise.core.settings.sections import SupervisorSettings
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.driver import CommitCounter
    from ftl2_enterprise.store.unit import UnitCall
    from ftl2_enterprise.supervisor.control.admission import Admission
    from ftl2_enterprise.supervisor.control.children import Children
    from ftl2_enterprise.supervisor.control.manager import Manager
    from ftl2_enterprise.supervisor.control.root_link import RootLink
    from ftl2_enterprise.supervisor.control.root_messages import StartChild
    from ftl2_enterprise.supervisor.writer.frames import Committed

CHECK = 4.0
"""Seconds between checks whether anything was committed or has changed, which leads to a pass.

Less than PULSE: the proof that the writer works is a commit too, and its pass must not lead to another proof.
"""
IDLE_PASS = 30.0
"""Maximum seconds between passes; fewer if the service manager expects a keep-alive sooner."""
PULSE = 5.0
"""Seconds between proofs that the writer works; at most half of the seconds between passes."""
GAP = 0.005
"""Minimum seconds between passes; at least four times the duration of the last one."""
NOW_WITHIN = 10.0
"""Seconds for a child that is to end now."""
REFUSED_BASE, REFUSED_CAP = 0.2, 30.0
"""Seconds until a child that could not be started is requested again: the first delay and the largest one."""
_RETRY = 0.25
ADMISSION, WRITER = "admission", "writer"
"""The names of the problems that children cannot be started, and that the writer cannot write."""

_log = logging.getLogger(__name__)


class Writing(Protocol):
    """What executes units of work for control: the writer's client."""

    async def execute(self, calls: Sequence[UnitCall], *, actor: str | None = None, gives_up: bool = True) -> Any:
        """As store.unit.Writer.execute, with the actor who causes the facts.

        Without `gives_up` it waits for an answer as long as it takes.
        """
        ...

    def start(self) -> None:
        """Connect; call this in the event loop."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...

    def subscribe(self, callback: Callable[[Committed], object]) -> Callable[[], None]:
        """Call back with every notice of a commit, until the returned function is called."""
        ...


class Reconciler:
    """Executes passes of all managers; see the module."""

    def __init__(
        self, *, store: Store, writer: Writing, children: Children, managers: Sequence[Manager],
        version: CommitCounter, clock: Clock, order: Callable[[str], StartChild],
        settings: Callable[[], SupervisorSettings],
    ) -> None:  # fmt: skip
        self._store: Store = store
        self._writer: Writing = writer
        self._children: Children = children
        self._managers: dict[str, Manager] = {manager.prefix: manager for manager in managers}
        self._version: CommitCounter = version
        self._clock: Clock = clock
        self._order: Callable[[str], StartChild] = order
        self._settings: Callable[[], SupervisorSettings] = settings
        self._words: dict[str, str] = {word: shown for one in managers for word, shown in one.status_words.items()}
        self._root: RootLink | None = None
        self._woken: asyncio.Event = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: dict[str, tuple[int, float]] = {}
        """Consecutive failures to start a key, and when it may be requested again."""
        self._pulse: asyncio.Task[None] | None = None
        self._pulsed: float = float("-inf")
        self._pulse_began: float = 0.0
        self.booted: bool = False
        self.alive_each: float | None = None
        """Seconds within which root expects that the service is alive."""
        self.draining: bool = False
        self.frozen: int = 0
        """Freezes in force."""
        self.ready: bool = False
        self.last_pass_at: Instant | None = None
        self.writer_latency: float | None = None
        self.counts: Mapping[str, int] = {}
        self.problems: dict[str, str] = {}
        """What is wrong, by the part that found it."""
        self.status: str = ""

    # --- wake-ups ---------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Begin a pass soon."""
        self._woken.set()

    def doubt(self) -> None:
        """Check now whether the writer works, because something could not be written."""
        if self.is_writer_refused:
            return
        self._pulsed = float("-inf")
        self.wake()

    def committed(self, *, wakes: bool) -> None:
        """Facts were committed; begin a pass if one of them wakes managers."""
        if wakes:
            self.wake()

    def ended(self, child: Child, ending: Ending, recorded: Callable[[int], object]) -> None:
        """Record how a child ended, report the number of the end to `recorded`, then begin a pass."""
        if ending.why is Why.NOT_STARTED and not self.draining:
            failures = self._refused.get(child.key, (0, 0.0))[0] + 1
            delay = exponential(failures, base=REFUSED_BASE, cap=REFUSED_CAP)
            self._refused[child.key] = failures, time.monotonic() + delay
        task = asyncio.get_running_loop().create_task(self._record(child, ending, recorded))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def started(self, key: str) -> None:
        """Root has started the process of a key."""
        self._refused.pop(key, None)

    async def _record(self, child: Child, ending: Ending, recorded: Callable[[int], object]) -> None:
        manager = self._managers.get(child.key.partition(":")[0])
        call: UnitCall | None = None
        if manager is not None:
            try:
                call = manager.ended(child, ending)
            except Exception as error:
                log.crash(error, "a manager failed on the end of a child", child=child.key)
        while call is not None:
            try:
                # Submitted again after giving up, one crash could be counted twice.
                await self._writer.execute([call], gives_up=False)
            except Problem as problem:
                if problem.code is Code.UNAVAILABLE:
                    self.doubt()
                    await asyncio.sleep(_RETRY)
                    continue
                _log.warning("the end of %s is not recorded: %s", child.key, problem)
            except Exception as error:
                log.crash(error, "the end of a child could not be recorded", child=child.key)
            call = None
        if ending.number is not None:
            recorded(ending.number)
        self._children.gone(child.key)
        self.wake()

    # --- passes ---------------------------------------------------------------------------------------------------

    async def run(self, root: RootLink) -> None:
        """Execute passes until the task is cancelled."""
        self._root = root
        last_full = float("-inf")
        seen: tuple[int | None, int] | None = None
        again = float("-inf")
        while True:
            woken = self._woken.is_set()
            self._woken.clear()
            now = time.monotonic()
            # Read before the pass, so that a commit during the pass leads to another one.
            state = (self._version.read(), self._children.version)
            if woken or now >= again or state != seen or state[0] is None or now - last_full >= self._idle_pass:
                pause = self._pass(root)
                # What the pass itself requested does not lead to another one.
                seen = (state[0], self._children.version)
                last_full = now
                again = now + pause
                self._beat()
            took = time.monotonic() - now
            await asyncio.sleep(max(GAP, 4 * took))
            left = min(CHECK, again - time.monotonic(), last_full + self._idle_pass - time.monotonic())
            if left > 0 and not self._woken.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), left)

    @property
    def _idle_pass(self) -> float:
        return IDLE_PASS if self.alive_each is None else min(IDLE_PASS, self.alive_each)

    def _pass(self, root: RootLink) -> float:
        """Execute one pass; returns the seconds after which the next one is due at the latest."""
        now = self._clock.now()
        again = float("inf")
        plans: list[Plan] = []
        for prefix, manager in self._managers.items():
            plan = self._plan(prefix, manager, now)
            if plan is None:
                # What it would require is unknown, so the next pass is soon.
                again = min(again, CHECK)
                continue
            plans.append(plan)
            again = min(again, self._end_and_wake(plan, root))
        admission = admit(plans, self._children.table, max_running=self._settings().max_running)
        try:
            again = min(again, self._admit(admission, root, now))
        except Exception as error:
            self.problems[ADMISSION] = f"cannot start what is due: internal error {log.crash(error)}"
            again = min(again, CHECK)
        else:
            self.problems.pop(ADMISSION, None)
        for key in list(self._children.old):
            if not root.has_room:
                again = min(again, _RETRY)
                break
            self._stop(root, key, Urgency.SAFE_POINT)
        self.last_pass_at = now
        self.counts = admission.counts
        self.report_status()
        return again

    def _plan(self, prefix: str, manager: Manager, now: Instant) -> Plan | None:
        """The plan of one manager; None when it fails, which must not stop the others."""
        try:
            with self._store.read() as tx:
                plan = manager.ensure(tx, self._children.of(prefix), now, booted=self.booted)
        except Problem as problem:
            self.report(prefix, f"the manager of {prefix} cannot plan: {problem}")
            return None
        except Exception as error:
            crash_id = log.crash(error, "a manager failed", manager=prefix)
            self.problems[prefix] = f"the manager of {prefix} failed: internal error {crash_id}"
            return None
        self.problems.pop(prefix, None)
        return plan

    def _end_and_wake(self, plan: Plan, root: RootLink) -> float:
        again = float("inf") if plan.recheck_after is None else max(0.0, plan.recheck_after)
        for key, urgency in plan.stop.items():
            if not root.has_room:
                return min(again, _RETRY)
            self._stop(root, key, urgency)
        for key in plan.wake:
            child = self._children.table.get(key)
            if child is not None and child.pid is not None:
                root.send(WakeChild(key=key))
        return again

    def _admit(self, admission: Admission, root: RootLink, now: Instant) -> float:
        again = float("inf")
        self._children.queued(admission.queue)
        for key in admission.end:
            if not root.has_room:
                return _RETRY
            self._stop(root, key, Urgency.SAFE_POINT)
        for key in admission.start:
            # While the service drains nothing is started: what is due continues with the next start.
            if self.draining or key in self._children.table:
                continue
            left = self._refused.get(key, (0, 0.0))[1] - time.monotonic()
            if left > 0:
                again = min(again, left)
                continue
            if not root.has_room:
                return min(again, _RETRY)
            root.send(self._order(key))
            self._children.ordered(key, now)
        return again

    def _stop(self, root: RootLink, key: str, urgency: Urgency) -> None:
        if not self._children.asked(key, urgency):
            return
        within = {Urgency.SAFE_POINT: self._settings().drain_timeout, Urgency.NOW: NOW_WITHIN, Urgency.KILL: 0.0}[
            urgency
        ]
        root.send(StopChild(key=key, urgency=urgency, within=within))

    @property
    def silence(self) -> float:
        """Seconds for which the writer has not answered."""
        return 0.0 if self._pulse is None else time.monotonic() - self._pulse_began

    # --- reports ----------------------------------------------------------------------------------------------

    @property
    def is_writer_refused(self) -> bool:
        """Whether the last proof of the writer failed."""
        return WRITER in self.problems

    def report(self, name: str, text: str) -> None:
        """Keep the problem under that name until it is solved; a new one is logged."""
        if self.problems.get(name) != text:
            _log.warning("%s", text)
        self.problems[name] = text

    def solved(self, name: str) -> None:
        """Remove the problem of that name, if there is one."""
        self.problems.pop(name, None)

    def report_status(self) -> None:
        """Send the status line to root if it has changed."""
        text = status_line(
            self.counts, self._words, self.problems.values(), draining=self.draining, frozen=self.frozen
        )
        if text != self.status and self._root is not None:
            self.status = text
            self._root.send(ShowStatus(text=text))

    def _beat(self) -> None:
        """Begin to prove that the writer works, unless that is in progress or recent."""
        gap = min(PULSE, self._idle_pass / 2) if self.ready else 0.0
        if self._pulse is None and time.monotonic() - self._pulsed >= gap:
            self._pulse_began = time.monotonic()
            self._pulse = asyncio.get_running_loop().create_task(self._prove())

    async def _prove(self) -> None:
        """Report to root that the service is alive: only after a pass, and only if the writer acknowledged."""
        began = self._pulse_began
        try:
            await self._writer.execute([prove.call()])
        except Problem as problem:
            self.report(WRITER, f"the writer cannot write: {problem}")
            self.wake_later(_RETRY)
        except Exception as error:
            self.problems[WRITER] = f"the writer cannot be asked: internal error {log.crash(error)}"
            self.wake_later(CHECK)
        else:
            self.problems.pop(WRITER, None)
            self.writer_latency = time.monotonic() - began
            self._pulsed = time.monotonic()
            assert self._root is not None
            self._root.send(Alive())
            if not self.ready:
                self.ready = True
                self._root.send(ControlReady())
        finally:
            self._pulse = None
        self.report_status()

    def close(self) -> None:
        """Close the connection to the database."""
        self._version.close()

    def wake_later(self, seconds: float) -> None:
        """Begin a pass after that many seconds."""
        asyncio.get_running_loop().call_later(seconds, self.wake)


def status_line(
    counts: Mapping[str, int],
    words: Mapping[str, str],
    problems: Iterable[str],
    *,
    draining: bool,
    frozen: int = 0,
) -> str:
    """The line of `systemctl status`: how many rows are in which state, and what is wrong."""
    text = ", ".join(f"{count} {words.get(word, word)}" for word, count in counts.items() if count) or "idle"
    if draining:
        text = f"stopping: {text}"
    if frozen:
        text = f"{frozen} {'freeze' if frozen == 1 else 'freezes'} in force: {text}"
    return "; ".join([text, *problems])
