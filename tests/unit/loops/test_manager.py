"""Which loops are to have a process: by table, and by whatever rows and children there may be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.core.children import Child, Plan, Queue, Urgency
from ftl2_enterprise.loops.manager import FAILING, FROZEN, Row, compare, due_at, splayed
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState
from ftl2_enterprise.supervisor.control.admission import Admission, admit
from tests.support.loops.plans import keys

L, D = LoopState, Desired
NOW = 1_000_000_000
SECOND = 1_000_000


def row(state: LoopState, desired: Desired = D.RUN, **values: Any) -> Row:
    given: dict[str, Any] = {
        "id": 1, "priority": 0, "created_at": 5, "next_run_at": None, "restart_at": None, "open_prompts": 0,
        "updated_at": 5, **values,
    }  # fmt: skip
    return Row(state=state.value, desired=desired.value, **given)


def child(number: int = 1, *, stopping: bool = False, pid: int | None = 7) -> Child:
    return Child(key=f"loop:{number}", pid=pid, started_at=0, stopping=stopping)


def plan_for(*rows: Row, children: tuple[Child, ...] = (), **values: Any) -> Plan:
    given: dict[str, Any] = {"begins": {}, "deadlines": {}, **values}
    deadlines = given.pop("deadlines")
    return compare(rows, deadlines, {c.key: c for c in children}, NOW, **given)


def admitted(*rows: Row, children: tuple[Child, ...] = (), max_running: int = 10) -> Admission:
    """The result for the plan when there are no other managers."""
    return admit([plan_for(*rows, children=children)], {c.key: c for c in children}, max_running=max_running)


DUE: list[tuple[Row, int | None, int | None]] = [
    (row(L.PENDING), None, 5),
    (row(L.RUNNING), None, 5),
    (row(L.PAUSED), None, 5),
    (row(L.PENDING, restart_at=NOW + 1), None, NOW + 1),
    (row(L.RESTING, next_run_at=NOW - 1), None, NOW - 1),
    (row(L.RESTING, next_run_at=NOW + 1), None, NOW + 1),
    (row(L.RESTING, next_run_at=NOW + 1, restart_at=NOW + 2), None, NOW + 2),
    (row(L.WAITING, open_prompts=1), None, None),
    (row(L.WAITING, open_prompts=1), NOW + 3, NOW + 3),
    (row(L.WAITING, open_prompts=0), None, 5),
    (row(L.BLOCKED), None, None),
    (row(L.PAUSED, D.PAUSE), None, None),
    (row(L.PAUSED, D.STOP), None, None),
    (row(L.BLOCKED, D.PAUSE), None, None),
    # The request has not taken effect: a process is needed to apply it.
    *(
        (row(state, desired), None, 5)
        for state in (L.PENDING, L.RUNNING, L.WAITING, L.RESTING)
        for desired in set(D) - {D.RUN}
    ),
    (row(L.PAUSED, D.CANCEL), None, 5),
    (row(L.BLOCKED, D.CANCEL), None, 5),
]


@pytest.mark.parametrize(("one", "deadline", "expected"), DUE)
def test_loops_that_are_due_are_started(one: Row, deadline: int | None, expected: int | None) -> None:
    assert due_at(one, deadline) == expected


@pytest.mark.parametrize(
    ("one", "stopping", "expected"),
    [
        (row(L.RUNNING), False, None),
        (row(L.RUNNING), True, None),
        (row(L.RUNNING, D.PAUSE), False, Urgency.SAFE_POINT),
        (row(L.RUNNING, D.PAUSE), True, None),
        (row(L.RUNNING, D.CANCEL), False, Urgency.SAFE_POINT),
        (row(L.RUNNING, D.CANCEL), True, None),
        (row(L.RUNNING, D.STOP), False, Urgency.NOW),
        # A pause may have become a stop; asking for the same again is for the supervisor to leave out.
        (row(L.RUNNING, D.STOP), True, Urgency.NOW),
        (row(L.RESTING, D.PAUSE, next_run_at=0), False, Urgency.SAFE_POINT),
    ],
)
def test_loops_that_should_not_run_are_stopped(one: Row, stopping: bool, expected: Urgency | None) -> None:
    plan = plan_for(one, children=(child(stopping=stopping),))
    assert plan.stop == ({} if expected is None else {"loop:1": expected})
    assert plan.start == ()


def test_an_expedited_cancel_is_a_stop() -> None:
    one = row(L.RUNNING, D.CANCEL)
    for stopping in (False, True):
        assert plan_for(one, children=(child(stopping=stopping),), expedited={1}).stop == {"loop:1": Urgency.NOW}
    assert plan_for(row(L.RUNNING), children=(child(),), expedited={1}).stop == {}


def test_a_resting_process_is_woken_when_its_time_has_come() -> None:
    assert plan_for(row(L.RESTING, next_run_at=NOW), children=(child(),)).wake == ("loop:1",)
    assert plan_for(row(L.RESTING, next_run_at=NOW + 1), children=(child(),)).wake == ()
    assert plan_for(row(L.RESTING, next_run_at=NOW), children=(child(stopping=True),)).wake == ()
    assert plan_for(row(L.RUNNING), children=(child(),)).wake == ()


def test_the_queue_is_fair() -> None:
    rows = [
        row(L.PENDING, id=1, created_at=30),
        row(L.RESTING, id=2, created_at=1, next_run_at=20),
        row(L.PENDING, id=3, created_at=10),
        row(L.PENDING, id=4, created_at=40, priority=5),
        row(L.PENDING, id=5, created_at=1, priority=-5),
        row(L.RUNNING, D.CANCEL, id=6, created_at=50),
    ]
    assert admitted(*rows).start == ("loop:6", "loop:4", "loop:3", "loop:2", "loop:1", "loop:5")
    plan = admitted(*rows, max_running=3)
    assert plan.start == ("loop:6", "loop:4", "loop:3")
    # Each loop is counted once.
    assert plan.counts == {"running": 1, "queued": 3, "pending": 2}
    assert plan.queue == Queue(order={"loop:2": 1, "loop:1": 2, "loop:5": 3}, taken=3, places=3)
    assert admitted(*rows).queue == Queue()
    assert admitted(*rows, max_running=1, children=(child(8), child(9))).queue.taken == 2
    assert admitted(*rows, max_running=2, children=(child(8), child(9))).start == ()


def test_a_resting_child_makes_room_for_a_waiting_loop() -> None:
    rows = [
        row(L.RESTING, id=1, next_run_at=NOW + 1),
        row(L.RESTING, id=2, next_run_at=NOW + 3),
        row(L.RESTING, id=3, next_run_at=NOW + 2),
        row(L.RUNNING, id=4),
        row(L.PENDING, id=5),
        row(L.PENDING, id=6),
    ]
    children = (child(1), child(2), child(3), child(4))
    assert plan_for(*rows, children=children).stop == {}
    plan = admitted(*rows, children=children, max_running=4)
    # Those whose next run is the furthest away, and no more of them than are waited for.
    assert (plan.start, plan.end) == ((), ("loop:2", "loop:3"))
    assert admitted(*rows, children=children, max_running=5).end == ("loop:2",)
    assert admitted(*rows, children=children, max_running=6).end == ()
    # One that ends already is a place to come.
    ending = (child(1), child(2, stopping=True), child(3), child(4))
    assert admitted(*rows, children=ending, max_running=4).end == ("loop:3",)
    assert admitted(*rows, children=(child(4),), max_running=1).end == ()


def test_the_next_pass_is_when_the_next_loop_is_due() -> None:
    assert plan_for(row(L.PENDING)).recheck_after is None
    assert plan_for(row(L.RESTING, next_run_at=NOW + 3 * SECOND)).recheck_after == 3.0
    soon = [row(L.RESTING, id=1, next_run_at=NOW + 3 * SECOND), row(L.PENDING, id=2, restart_at=NOW + SECOND)]
    assert plan_for(*soon).recheck_after == 1.0
    assert plan_for(row(L.WAITING, open_prompts=1), deadlines={1: NOW + 2 * SECOND}).recheck_after == 2.0
    assert plan_for(row(L.PENDING), begins={1: NOW + 4 * SECOND}).recheck_after == 4.0
    # One that has its process needs no pass.
    assert plan_for(row(L.RESTING, next_run_at=NOW + SECOND), children=(child(),)).recheck_after is None


def test_a_boot_is_splayed_by_the_order_of_the_queue() -> None:
    rows = [row(L.PENDING, id=n, created_at=n) for n in range(1, 101)]
    begins = splayed(rows, {}, {}, NOW, splay=10.0)
    assert list(begins) == list(range(1, 101))
    assert begins[1] == NOW
    assert begins[100] == NOW + round(0.99 * SECOND)
    # Never longer than the setting, however many there are.
    assert max(splayed(rows, {}, {}, NOW, splay=0.5).values()) < NOW + SECOND // 2
    assert set(splayed(rows, {}, {}, NOW, splay=0).values()) == {NOW}
    assert splayed(rows[:1], {}, {}, NOW, splay=10.0) == {}
    assert len(plan_for(*rows, begins=begins).start) == 1


instants = st.one_of(st.none(), st.integers(NOW - 5, NOW + 5))
open_states = st.sampled_from([state for state in L if state not in {L.COMPLETED, L.FAILED, L.CANCELLED}])


@st.composite
def many_rows(draw: st.DrawFn) -> list[Row]:
    ids = draw(st.lists(st.integers(1, 60), unique=True, max_size=30))
    return [
        row(
            draw(open_states),
            draw(st.sampled_from(D)),
            id=number,
            priority=draw(st.integers(-100, 100)),
            created_at=draw(st.integers(0, NOW)),
            next_run_at=draw(instants),
            restart_at=draw(instants),
            open_prompts=draw(st.integers(0, 1)),
        )
        for number in ids
    ]


@given(
    many_rows(),
    st.dictionaries(st.integers(1, 60), st.booleans()),
    st.integers(0, 20),
    st.dictionaries(st.integers(1, 60), st.integers(NOW - 5, NOW + 5)),
)
def test_any_rows_and_children_give_a_consistent_plan(
    rows: list[Row], running: dict[int, bool], most: int, deadlines: dict[int, int]
) -> None:
    children = {f"loop:{n}": child(n, stopping=stopping) for n, stopping in running.items()}
    plan = compare(rows, deadlines, children, NOW, begins={})
    admission = admit([plan], children, max_running=most)
    by_key = {f"loop:{one.id}": one for one in rows}
    # Never a second process, never more than there is room for, and everybody else has to wait for a reason.
    assert not set(keys(plan)) & set(children)
    assert len(admission.start) <= max(0, most - len(children))
    assert len(set(keys(plan))) == len(plan.start)
    due = {key for key, one in by_key.items() if (at := due_at(one, deadlines.get(one.id))) is not None and at <= NOW}
    assert set(keys(plan)) == due - set(children)
    assert set(admission.start) <= due - set(children)
    if len(admission.start) < most - len(children):
        assert set(admission.start) == due - set(children)
    stopped = {*plan.stop, *admission.end}
    assert stopped <= set(children)
    waits = len(due - set(children)) - len(admission.start)
    assert waits == len(admission.queue.order)
    for key in plan.stop:
        assert by_key[key].desired != D.RUN
    for key in admission.end:
        assert by_key[key].state == L.RESTING
        assert waits > 0
    assert set(plan.wake) <= set(children) - stopped
    # Once what it wants is done, it wants nothing more at the same instant.
    after = {**children, **{key: child(int(key[5:])) for key in admission.start}}
    after = {
        key: Child(key=key, pid=1, started_at=0, stopping=one.stopping or key in stopped)
        for key, one in after.items()
    }
    again = compare(rows, deadlines, after, NOW, begins={})
    admitted_again = admit([again], after, max_running=most)
    assert (admitted_again.start, admitted_again.end) == ((), ())
    assert all(urgency is Urgency.NOW for key, urgency in again.stop.items() if key in stopped)
    if plan.recheck_after is not None:
        assert plan.recheck_after > 0


def test_failing_and_frozen_loops_are_not_counted_as_resting() -> None:
    rest: dict[str, Any] = {"next_run_at": NOW + 1}
    rows = [row(L.RESTING, id=1, **rest), row(L.RESTING, id=2, rests_as=FAILING, **rest)]
    rows += [row(L.RESTING, id=3, rests_as=FROZEN, **rest), row(L.PENDING, id=4, rests_as=FAILING)]
    assert plan_for(*rows).counts == {"resting": 1, "failing": 1, "frozen": 1, "pending": 1}


def test_a_failing_loop_that_is_queued_is_counted_once() -> None:
    rows = [row(L.RESTING, id=n, rests_as=FAILING, next_run_at=NOW - 1) for n in (1, 2)]
    assert admitted(*rows, max_running=1).counts == {"failing": 1, "queued": 1}
