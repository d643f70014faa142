"""kill -9 around the reservation and the settlement of model calls: no budget is exceeded, no reservation is lost.

The program of the model records itself that it was called, before it answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.loops.fault_points import LoopFaultPoint as F
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import ListPrompts
from tests.support.loops.models import fake_claude
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import daemon
from tests.support.service.effects_oracle import whole_event_log
from tests.support.service.stalls import Stalls
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.service.daemon import Daemon

# Acts until the file `over` exists. Each call leaves a line.
MODEL = """
base = {base!r}
with open(base + "/charged", "a") as file:
    file.write("charged\\n")
with open(base + "/charged") as file:
    made = base + "/made" + str(len(file.read().split()))
act = {{"reasoning": "one more", "actions": [{{"module": "command", "params": {{"cmd": "touch " + made}}}}]}}
value = {{"converged": True, "reasoning": "enough"}} if os.path.exists(base + "/over") else act
reply(result="", structured_output=value, usage={{"input_tokens": 10, "output_tokens": 5}}, total_cost_usd=0.05)
"""
PRICE = 50_000
"""What a call costs, in millionths of a US dollar."""
BOUND = 100_000
"""What a call reserves."""
CONFIG = """
[model]
provider = "claude"
command = "{program}"
max_call_cost = 0.10
daily_cost = {daily}
"""
RESTARTS = "restart_delay = 0.01\nrestart_cap = 0.05\nrestart_limit = 100"
LOOP_POINTS = [
    f"{point}#{count}"
    for point in (F.ITERATION_STARTED, F.MODEL_CALL_STARTED, F.MODEL_ANSWERED, F.DECISION_RECORDED)
    for count in (1, 2)
]
LOST_AT = (F.MODEL_CALL_STARTED, F.MODEL_ANSWERED)
"""Between these, a call is in flight: what it cost is not known afterwards."""


UNCOMMITTED = (FaultPoint.WRITER_TOOK, FaultPoint.WRITER_UNIT_DONE)
WRITER_POINTS = (*UNCOMMITTED, FaultPoint.WRITER_COMMITTED, FaultPoint.WRITER_ACKNOWLEDGED)


def places(points: Sequence[FaultPoint]) -> list[tuple[FaultPoint, str]]:
    """Where the writer stalls, with the newest fact about the loop: before and after each of the two commits."""
    reserved = [(point, "iteration.observed" if point in UNCOMMITTED else "model.asked") for point in points]
    return reserved + [(point, "model.asked" if point in UNCOMMITTED else "iteration.decided") for point in points]


class Account(NamedTuple):
    """What the database counts, in millionths of a US dollar."""

    counted: int
    reservations: int
    lost: int


def calls_made(tmp_path: Path) -> int:
    path = tmp_path / "charged"
    return len(path.read_text().split()) if path.exists() else 0


def account(service: Daemon, tmp_path: Path, *, budget: int) -> Account:
    """What counts now. Whenever this is read, the sums agree with the reservations, and the budget is kept."""
    charged = PRICE * calls_made(tmp_path)
    ((of_loop, of_day, calls, reservations, counted, lost),) = rows(
        service.run,
        "SELECT (SELECT coalesce(sum(cost), 0) FROM model_spending WHERE scope LIKE 'loop:%'),"
        " (SELECT coalesce(sum(cost), 0) FROM model_spending WHERE scope LIKE 'day:%'),"
        " (SELECT count(*) FROM model_calls),"
        " (SELECT count(*) FROM model_reservations),"
        " (SELECT coalesce(sum(coalesce(settled_cost, reserved_cost)), 0) FROM model_reservations),"
        " (SELECT count(*) FROM model_calls WHERE outcome = 'unknown')",
    )
    assert of_loop == of_day == counted, "a reservation is lost, or counts twice"
    assert calls == reservations
    assert charged <= counted <= budget
    return Account(counted, reservations, lost)


def last_fact(service: Daemon) -> str:
    """The kind of the newest fact about the loop."""
    ((kind,),) = rows(service.run, "SELECT kind FROM events WHERE subject = 'loop:1' ORDER BY id DESC LIMIT 1")
    return kind


def spends(tmp_path: Path, *, daily: int) -> str:
    """The settings of a model that spends."""
    program = fake_claude(tmp_path, MODEL.format(base=str(tmp_path)))
    return CONFIG.format(program=program, daily=daily / 1_000_000)


def test_the_process_of_the_loop_is_killed_at_each_point_of_a_call(tmp_path: Path) -> None:
    fault = ";".join(f"{point}=kill@{tmp_path}/struck-{point}" for point in LOOP_POINTS)
    budget = 20 * BOUND
    with daemon(tmp_path, supervisor=RESTARTS, more=spends(tmp_path, daily=budget)) as service:
        service.start(fault=fault)
        service.submit("web", "much is made", observers=[], max_iterations=100)
        for point in LOOP_POINTS:
            until((tmp_path / f"struck-{point}").exists)
            account(service, tmp_path, budget=budget)
        (tmp_path / "over").touch()
        done = service.until_state("web", LoopState.COMPLETED, LoopState.FAILED)
        assert (done.outcome, done.crashes) == (Outcome.CONVERGED, len(LOOP_POINTS))
        found = account(service, tmp_path, budget=budget)
        assert found.lost == sum(1 for point in LOOP_POINTS if point.startswith(LOST_AT))
        # A lost call counts as reserved, and any other as what it cost: once.
        assert found.counted == found.lost * BOUND + (found.reservations - found.lost) * PRICE
        assert whole_event_log(service)
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("victim", "points", "lost", "budget"),
    [
        ("writer", WRITER_POINTS, 0, 6 * BOUND),
        # With root everything dies, also who waits for an acknowledgement.
        ("root", (FaultPoint.WRITER_UNIT_DONE, FaultPoint.WRITER_COMMITTED), 2, 5 * BOUND),
    ],
    ids=["writer", "root"],
)
def test_a_process_of_the_service_is_killed_around_both_transactions(
    tmp_path: Path, victim: str, points: Sequence[FaultPoint], lost: int, budget: int
) -> None:
    # One writer commits some tens of times until it gets to the next place.
    stalls = Stalls(tmp_path, WRITER_POINTS, visits=100)
    with daemon(tmp_path, supervisor=RESTARTS, more=spends(tmp_path, daily=budget)) as service:
        service.start(fault=stalls.fault)
        service.submit("web", "much is made", observers=[], max_iterations=100)
        for point, fact in places(points):
            made = calls_made(tmp_path)
            until(lambda made=made: calls_made(tmp_path) > made)
            stalls.stall_at(point)

            def is_at_the_place(point: FaultPoint = point, fact: str = fact) -> bool:
                if not stalls.has_begun(point):
                    return False
                account(service, tmp_path, budget=budget)
                if last_fact(service) == fact:
                    return True
                stalls.stall_at(point)
                return False

            until(is_at_the_place, every=0.001)
            service.kill(victim)
            if victim == "root":
                service.wait()
                service.start(fault=stalls.fault)
            account(service, tmp_path, budget=budget)
        # It continues until no other call fits, and then asks.
        (line,) = until(lambda: service.call(ListPrompts()), seconds=60)
        assert "has no room for the next call" in line.prompt.question
        found = account(service, tmp_path, budget=budget)
        assert found.lost == lost
        assert found.counted == lost * BOUND + (found.reservations - lost) * PRICE
        assert budget - BOUND < found.counted
        assert whole_event_log(service)
        assert service.stop() == 0
