"""kill -9 around an approval in the service: it is never lost, never used twice, and nothing happens without it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.fault_points import LoopFaultPoint as F
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import ApprovePrompt, ListPrompts
from tests.support.loops.manifests import APPROVED
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import daemon
from tests.support.service.effects_oracle import whole_event_log
from tests.support.service.stalls import Stalls
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service.daemon import Daemon

QUICK = "restart_delay = 0.01\nrestart_cap = 0.05\nrestart_limit = 100"
LOOPS = "[loops]\nretry_delay = 0.01\n"
LOOP_POINTS = (
    F.APPROVAL_ASKED, F.APPROVAL_CHECKED, F.APPROVAL_USED, F.ACTION_STARTED, F.ACTION_DONE, F.ACTION_RECORDED,
)  # fmt: skip
IN_FLIGHT = (F.ACTION_STARTED, F.ACTION_DONE)
"""Between these, an action may have happened without being recorded."""
UNCOMMITTED = (FaultPoint.WRITER_TOOK, FaultPoint.WRITER_UNIT_DONE)
WRITER_POINTS = (*UNCOMMITTED, FaultPoint.WRITER_COMMITTED, FaultPoint.WRITER_ACKNOWLEDGED)
BEGUN_WITHOUT = """
SELECT count(*) FROM actions a WHERE a.started_at IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM approvals p JOIN approval_votes v ON v.approval_id = p.id WHERE p.used_by = a.iteration_id)
"""


@dataclass
class ApprovedLoop:
    """One loop of two steps that has to be approved, with its own directory."""

    service: Daemon
    name: str
    id: int = 0
    acknowledged: list[int] = field(default_factory=list[int])
    """The prompts of which the service has confirmed the approval."""

    @property
    def base(self) -> Path:
        return self.service.directory / self.name

    def submit(self) -> None:
        self.base.mkdir()
        text = APPROVED.format(base=self.base)
        self.id = self.service.submit(self.name, text).id

    def approve(self) -> None:
        for line in self.service.call(ListPrompts(loop=self.name)):
            self.service.call(ApprovePrompt(prompt=line.prompt.id))
            self.acknowledged.append(line.prompt.id)

    def effects(self) -> list[str]:
        path = self.base / "effects"
        return path.read_text().split() if path.exists() else []

    def states(self) -> list[str]:
        """Of its approvals, the oldest first."""
        return [str(one) for (one,) in self._rows("SELECT state FROM approvals WHERE loop_id = {id} ORDER BY id")]

    def voted(self) -> set[int]:
        """The prompts that have a vote."""
        query = (
            "SELECT p.prompt_id FROM approval_votes v JOIN approvals p ON p.id = v.approval_id WHERE p.loop_id = {id}"
        )
        return {prompt for (prompt,) in self._rows(query)}

    def interrupted(self) -> int:
        """Actions of which the effect is not known."""
        return len(self._rows("SELECT id FROM actions WHERE loop_id = {id} AND state = 'unknown'"))

    def ends(self) -> None:
        """It converges, with approvals as often as it asks; whatever was promised holds."""

        def is_over() -> bool:
            self.approve()
            return self.service.loop(self.name).state in {LoopState.COMPLETED, LoopState.FAILED, LoopState.BLOCKED}

        until(is_over, seconds=60)
        loop = self.service.loop(self.name)
        assert loop.outcome is Outcome.CONVERGED, loop.reason
        assert sorted(set(self.effects())) == ["one", "two"]
        # Only an action that was in flight can have happened without being recorded.
        assert len(self.effects()) <= 2 + self.interrupted()
        assert set(self.acknowledged) <= self.voted()
        uses = self._rows("SELECT used_by FROM approvals WHERE loop_id = {id} AND state = 'used'")
        assert len(uses) == len(set(uses)) >= 1
        assert rows(self.service.run, BEGUN_WITHOUT) == [(0,)]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return rows(self.service.run, query.format(id=self.id))


def kill(service: Daemon, victim: str, fault: str) -> None:
    if victim != "root":
        service.kill(victim)
        return
    assert service.process is not None
    service.process.kill()
    service.wait()
    service.start(fault=fault)


@pytest.mark.parametrize("victim", ["loop", "root"])
def test_the_loop_dies_at_each_point_of_an_approval(tmp_path: Path, victim: str) -> None:
    stalls = Stalls(tmp_path, LOOP_POINTS)
    with daemon(tmp_path, supervisor=QUICK, more=LOOPS) as service:
        service.start(fault=stalls.fault)
        for point in LOOP_POINTS:
            loop = ApprovedLoop(service, f"at-{point}")
            stalls.stall_at(point)
            loop.submit()
            if point is not F.APPROVAL_ASKED:
                until(lambda loop=loop: loop.approve() or loop.acknowledged)
            until(lambda point=point: stalls.has_begun(point))
            votes = loop.voted()
            assert (len(votes), len(loop.states())) == (0 if point is F.APPROVAL_ASKED else 1, 1)
            kill(service, f"loop:{loop.name}" if victim == "loop" else victim, stalls.fault)
            assert loop.voted() == votes == set(loop.acknowledged)
            loop.ends()
            # What was approved and has not begun is executed without asking again.
            assert loop.states() == (["used", "used"] if point in IN_FLIGHT else ["used"]), point
            assert loop.interrupted() == (1 if point in IN_FLIGHT else 0), point
        assert whole_event_log(service)
        assert service.stop() == 0


@pytest.mark.parametrize("point", WRITER_POINTS)
@pytest.mark.parametrize("victim", ["writer", "root"])
def test_the_service_dies_around_the_transaction_of_a_vote(tmp_path: Path, victim: str, point: FaultPoint) -> None:
    stalls = Stalls(tmp_path, [point], visits=200)
    with daemon(tmp_path, supervisor=QUICK, more=LOOPS) as service:
        service.start(fault=stalls.fault)
        loop = ApprovedLoop(service, "voted")
        loop.submit()
        until(lambda: service.loop(loop.name).state is LoopState.WAITING and service.lines()[loop.name].pid is None)
        (line,) = service.call(ListPrompts(loop=loop.name))

        def vote() -> None:
            try:
                service.call(ApprovePrompt(prompt=line.prompt.id))
            except Problem:
                return
            loop.acknowledged.append(line.prompt.id)

        stalls.stall_at(point)
        person = threading.Thread(target=vote, daemon=True)
        person.start()
        until(lambda: stalls.has_begun(point))
        if point in UNCOMMITTED:
            assert (loop.acknowledged, loop.voted(), loop.effects()) == ([], set(), [])
        kill(service, victim, stalls.fault)
        person.join(60)
        assert not person.is_alive()
        until(service.answers)
        assert set(loop.acknowledged) <= loop.voted()
        if not loop.voted():
            assert loop.effects() == []
        loop.ends()
        assert loop.states() == ["used"]
        assert len(loop.effects()) == 2
        assert whole_event_log(service)
        assert service.stop() == 0
