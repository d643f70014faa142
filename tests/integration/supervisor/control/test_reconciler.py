"""The passes of the managers: what leads to one, and which heartbeats it gives."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.children import Candidate, Plan, Urgency
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.supervisor.control import reconciler
from ftl2_enterprise.supervisor.control.reconciler import status_line
from ftl2_enterprise.supervisor.control.root_messages import ChildEnded
from ftl2_enterprise.supervisor.writer.async_client import WriterClient
from tests.integration.supervisor.control.reconciling import stage, until
from tests.support.data.facts import Noted
from tests.support.service.ledger import Entries, enter
from tests.support.service.writing import writer_process

if TYPE_CHECKING:
    from pathlib import Path


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
