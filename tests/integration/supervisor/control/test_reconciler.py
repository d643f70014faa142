"""The passes of the managers: what leads to one, and which heartbeats it gives."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from ftl2_enterprise.core.children import Candidate, Child, Ending, Plan, Urgency
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.core.problem import unavailable
from ftl2_enterprise.core.settings.sections import SupervisorSettings
from ftl2_enterprise.supervisor.control import reconciler
from ftl2_enterprise.supervisor.control.children import Children
from ftl2_enterprise.supervisor.control.commit_watch import Commits
from ftl2_enterprise.supervisor.control.event_logger import log_facts
from ftl2_enterprise.supervisor.control.reconciler import Reconciler, status_line
from ftl2_enterprise.supervisor.control.root_link import RootLink
from ftl2_enterprise.supervisor.control.root_messages import ChildEnded, StartChild
from ftl2_enterprise.supervisor.writer.async_client import WriterClient
from ftl2_enterprise.wiring.database import open_database
from tests.support.facts import Noted
from tests.support.ledger import Entries, enter
from tests.support.writing import writer_process

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from pathlib import Path

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.store.unit import UnitCall
    from ftl2_enterprise.supervisor.logs.event_log_files import FactLog


class Looker:
    """A manager that counts its passes and returns the plan that a test gives it."""

    prefix = "loop"
    status_words: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.passes = 0
        self.plan = Plan()
        self.end: UnitCall | None = None

    def ensure(self, tx: Tx, children: Mapping[str, Child], now: int, *, booted: bool) -> Plan:
        self.passes += 1
        return self.plan

    def ended(self, child: Child, ending: Ending) -> UnitCall | None:
        return self.end


class Moody:
    """A writer that answers, refuses, or is silent."""

    def __init__(self) -> None:
        self.mood = "answers"
        self.asked = 0

    async def execute(self, calls: Sequence[UnitCall], *, actor: str | None = None, gives_up: bool = True) -> Any:
        self.asked += 1
        if self.mood == "refuses":
            raise unavailable("cannot write the database: the disk is full")
        while self.mood == "is silent":
            await asyncio.sleep(0.005)
        return 0

    def start(self) -> None: ...

    async def close(self) -> None: ...

    def subscribe(self, callback: Callable[..., object]) -> Callable[[], None]:
        return lambda: None


class Stage:
    running: asyncio.Task[None]

    def __init__(self, store: Store, end: socket.socket) -> None:
        self.store = store
        self.manager = Looker()
        self.writer = Moody()
        self.children = Children()
        self.reconciler = Reconciler(
            store=store,
            writer=self.writer,
            children=self.children,
            managers=[self.manager],
            version=store.commit_counter(),
            clock=SystemClock(),
            order=lambda key: StartChild(key=key, argument=key),
            settings=lambda: SupervisorSettings(drain_timeout=7.0, max_running=5000),
        )
        self._end = end

    def heard(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            try:
                found.append(json.loads(self._end.recv(65536)))
            except BlockingIOError:
                return found

    async def hears(self, *expected: dict[str, Any]) -> list[dict[str, Any]]:
        """Until all of it was heard; everything that was."""
        found: list[dict[str, Any]] = []

        def complete() -> bool:
            found.extend(self.heard())
            return all(one in found for one in expected)

        await until(complete)
        return found

    async def passes(self, more: int) -> None:
        count = self.manager.passes + more
        await until(lambda: self.manager.passes >= count)

    async def quiet(self) -> None:
        """Until there are no more passes without a cause."""
        await until(lambda: self.reconciler.ready)
        seen = -1
        while seen != self.manager.passes:
            seen = self.manager.passes
            await asyncio.sleep(0.2)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def stage(directory: Path) -> AsyncGenerator[Stage]:
    store = open_database(directory / "loops.db", create=True)
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine.setblocking(False)
    made = Stage(store, mine)
    root = RootLink(theirs, lambda message: None, lambda: None)
    made.running = asyncio.create_task(made.reconciler.run(root))
    try:
        yield made
    finally:
        made.running.cancel()
        await asyncio.gather(made.running, return_exceptions=True)
        made.reconciler.close()
        root.close()
        mine.close()
        store.close()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "IDLE_PASS", 0.05)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "PULSE", 0.03)
    monkeypatch.setattr(reconciler, "CHECK", 0.05)


@pytest.mark.usefixtures("often")
async def test_it_is_ready_after_the_first_pass_and_the_answer_of_the_writer(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        made.writer.mood = "is silent"
        await made.passes(1)
        await until(lambda: made.writer.asked)
        assert not [one for one in made.heard() if one["type"] in {"ready", "alive"}]
        assert made.reconciler.silence > 0
        made.writer.mood = "answers"
        messages = await made.hears({"type": "alive"}, {"type": "ready"})
        assert messages.index({"type": "alive"}) < messages.index({"type": "ready"})
        assert made.reconciler.silence == 0
        # Ready once, alive again and again.
        assert {"type": "ready"} not in await made.hears({"type": "alive"})


@pytest.mark.usefixtures("often")
async def test_it_is_not_alive_while_the_writer_refuses(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        await made.hears({"type": "ready"})
        made.writer.mood = "refuses"
        asked = made.writer.asked
        await until(lambda: made.writer.asked >= asked + 2)
        made.heard()
        await until(lambda: made.writer.asked >= asked + 4)
        assert {"type": "alive"} not in made.heard()
        assert "the disk is full" in made.reconciler.problems["writer"]
        assert made.reconciler.status.endswith(made.reconciler.problems["writer"])
        made.writer.mood = "answers"
        await made.hears({"type": "alive"}, {"type": "status", "text": "idle"})
        assert not made.reconciler.problems


async def test_it_reports_that_it_is_alive_as_often_as_the_service_manager_expects(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        await made.quiet()
        passes, asked = made.manager.passes, made.writer.asked
        made.heard()
        made.reconciler.alive_each = 0.1
        made.reconciler.wake()
        alive = 0

        def often() -> bool:
            nonlocal alive
            alive += made.heard().count({"type": "alive"})
            return alive >= 4

        await until(often)
        # Each time there was a pass, and the writer has answered.
        assert made.manager.passes - passes >= alive
        assert made.writer.asked - asked >= alive


async def test_it_does_not_report_that_it_is_alive_when_only_the_writer_works(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        made.reconciler.alive_each = 0.1
        await made.hears({"type": "ready"})
        made.running.cancel()
        await asyncio.gather(made.running, return_exceptions=True)
        # A proof may be under way.
        await until(lambda: made.reconciler.silence == 0)
        made.heard()
        asked = made.writer.asked
        made.reconciler.wake()
        await asyncio.sleep(0.5)
        assert made.heard() == []
        assert made.writer.asked == asked


async def test_it_does_not_report_that_it_is_alive_when_only_the_managers_work(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        made.reconciler.alive_each = 0.1
        await made.hears({"type": "ready"})
        made.writer.mood = "is silent"
        await until(lambda: made.reconciler.silence > 0)
        made.heard()
        await made.passes(5)
        assert {"type": "alive"} not in made.heard()
        made.writer.mood = "answers"
        await made.hears({"type": "alive"})


async def test_facts_of_the_right_kinds_wake_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        await made.quiet()
        passes = made.manager.passes
        made.reconciler.committed(wakes=False)
        await asyncio.sleep(0.05)
        assert made.manager.passes == passes
        made.reconciler.committed(wakes=True)
        await made.passes(1)


async def test_changes_without_a_wake_up_lead_to_a_pass(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        await made.quiet()
        with made.store.write() as tx:
            tx.emit(Noted(), subject="")
        await made.passes(1)
        await made.quiet()
        made.children.ordered("loop:7", 1)
        await made.passes(1)


async def test_the_next_pass_is_when_the_plan_requests_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path) as made:
        await made.quiet()
        monkeypatch.setattr(reconciler, "CHECK", 1000.0)
        made.manager.plan = Plan(recheck_after=0.01)
        made.reconciler.wake()
        await made.passes(5)


async def test_many_wake_ups_lead_to_few_passes(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        await made.quiet()
        passes = made.manager.passes
        for _ in range(1000):
            made.reconciler.wake()
            await asyncio.sleep(0)
        await made.passes(1)
        assert made.manager.passes - passes < 100


async def test_a_draining_service_starts_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        await made.quiet()
        made.reconciler.draining = True
        made.manager.plan = Plan(start=(Candidate("loop:1"),))
        made.reconciler.wake()
        await made.passes(1)
        assert not [one for one in made.heard() if one["type"] == "start"]
        made.reconciler.draining = False
        made.reconciler.wake()
        await made.hears({"type": "start", "key": "loop:1", "argument": "loop:1", "cgroup": None, "log": None})


async def test_an_end_is_recorded_once_however_long_the_writer_takes(tmp_path: Path) -> None:
    async with stage(tmp_path) as made:
        await made.quiet()
        with writer_process(tmp_path, made.store.path) as process:
            link = process.link()
            await asyncio.to_thread(link.execute, [enter.call("before", 1)])
            writer = WriterClient(process.address, patience=0.2)
            made.reconciler._writer = writer
            writer.start()
            made.manager.end = enter.call("end", 1)
            end = ChildEnded(key="loop:1", pid=7, why=Why.KILLED, signal=9, number=3)
            recorded: list[int] = []
            process.process.send_signal(signal.SIGSTOP)
            made.children.ordered("loop:1", 0)
            made.reconciler.ended(*made.children.ended(end, 0), recorded=recorded.append)
            # As long as several others would have waited.
            await asyncio.sleep(1.0)
            assert "loop:1" in made.children.table
            assert recorded == []
            process.process.send_signal(signal.SIGCONT)
            await until(lambda: "loop:1" not in made.children.table)
            assert recorded == [3]
            # Whatever was submitted has been executed by then.
            await asyncio.to_thread(link.execute, [enter.call("after", 1)])
            await writer.close()
        assert Entries(made.store.path).of["end", 1] == 1


async def test_facts_are_logged_while_every_other_thread_waits_for_a_disk(tmp_path: Path) -> None:
    asked, ends = threading.Event(), threading.Event()

    class Facts:
        def catch_up(self) -> bool:
            asked.set()
            return False

    store = open_database(tmp_path / "loops.db", create=True)
    version = store.commit_counter()
    stuck = [asyncio.create_task(asyncio.to_thread(ends.wait)) for _ in range(100)]
    task = asyncio.create_task(log_facts(cast("FactLog", Facts()), Commits(version)))
    try:
        await until(asked.is_set)
    finally:
        ends.set()
        task.cancel()
        await asyncio.gather(task, *stuck, return_exceptions=True)
        version.close()
        store.close()


async def test_no_order_is_lost_when_there_are_more_than_root_takes_at_a_time(tmp_path: Path) -> None:
    expected = {f"loop:{number}" for number in range(3000)}
    async with stage(tmp_path) as made:
        await made.quiet()
        made.manager.plan = Plan(start=tuple(map(Candidate, sorted(expected))))
        made.reconciler.wake()
        await made.passes(1)
        found: set[str] = set()

        def all_are_ordered() -> bool:
            found.update(one["key"] for one in made.heard() if one["type"] == "start")
            return found == expected

        await until(all_are_ordered)
        made.manager.plan = Plan(stop=dict.fromkeys(expected, Urgency.SAFE_POINT))
        made.reconciler.wake()
        await made.passes(1)
        found.clear()

        def all_are_stopped() -> bool:
            found.update(one["key"] for one in made.heard() if one["type"] == "stop")
            return found == expected

        await until(all_are_stopped)


async def test_waiting_for_a_commit_ends_with_its_notice_or_soon_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftl2_enterprise.supervisor.control.commit_watch.CHECK_EVERY", 0.02)
    store = open_database(tmp_path / "loops.db", create=True)
    version = store.commit_counter()
    commits = Commits(version)
    async with asyncio.timeout(20):
        # News.
        waiting = [asyncio.create_task(commits.wait(commits.count)) for _ in range(3)]
        await asyncio.sleep(0)
        commits.notify()
        await asyncio.gather(*waiting)
        # News that came while the database was read.
        count = commits.count
        commits.notify()
        await commits.wait(count)
        # A commit without a notice.
        waiting = [asyncio.create_task(commits.wait(commits.count)) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
        with store.write() as tx:
            tx.emit(Noted(), subject="")
        await asyncio.gather(*waiting)
    commits.close()
    version.close()
    store.close()


WORDS = {"waiting": "waiting for you", "pending": "starting"}


@pytest.mark.parametrize(
    ("counts", "problems", "draining", "line"),
    [
        ({}, [], False, "idle"),
        ({"running": 12, "waiting": 2, "failed": 1}, [], False, "12 running, 2 waiting for you, 1 failed"),
        ({"running": 0, "resting": 3}, [], False, "3 resting"),
        ({"queued": 2, "pending": 1}, [], False, "2 queued, 1 starting"),
        ({"running": 1}, [], True, "stopping: 1 running"),
        ({"running": 1}, ["the writer cannot write", "more"], False, "1 running; the writer cannot write; more"),
    ],
)
def test_the_status_line_has_counts_and_problems(
    counts: dict[str, int], problems: list[str], draining: bool, line: str
) -> None:
    assert status_line(counts, WORDS, problems, draining=draining) == line
