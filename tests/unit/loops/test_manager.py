"""Which loops are to have a process: by table, and by whatever rows and children there may be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.core.children import Child, Plan, Queue, Urgency
from ftl2_enterprise.loops.manager import Row, compare, due_at, splayed
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState

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


def look(*rows: Row, children: tuple[Child, ...] = (), max_running: int = 10, **values: Any) -> Plan:
    given: dict[str, Any] = {"begins": {}, "deadlines": {}, **values}
    deadlines = given.pop("deadlines")
    return compare(rows, deadlines, {c.key: c for c in children}, NOW, max_running=max_running, **given)


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
    # Nobody has made the wish true: a process is there to do it.
    *(
        (row(state, wish), None, 5)
        for state in (L.PENDING, L.RUNNING, L.WAITING, L.RESTING)
        for wish in set(D) - {D.RUN}
    ),
    (row(L.PAUSED, D.CANCEL), None, 5),
    (row(L.BLOCKED, D.CANCEL), None, 5),
]


@pytest.mark.parametrize(("one", "deadline", "wanted"), DUE)
def test_due(one: Row, deadline: int | None, wanted: int | None) -> None:
    assert due_at(one, deadline) == wanted


@pytest.mark.parametrize(
    ("one", "stopping", "wanted"),
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
def test_stops(one: Row, stopping: bool, wanted: Urgency | None) -> None:
    plan = look(one, children=(child(stopping=stopping),))
    assert plan.stop == ({} if wanted is None else {"loop:1": wanted})
    assert plan.start == ()


def test_a_cancel_that_is_hurried_is_a_stop() -> None:
    one = row(L.RUNNING, D.CANCEL)
    for stopping in (False, True):
        assert look(one, children=(child(stopping=stopping),), hurried={1}).stop == {"loop:1": Urgency.NOW}
    assert look(row(L.RUNNING), children=(child(),), hurried={1}).stop == {}


def test_a_resting_process_is_woken_when_its_time_has_come() -> None:
    assert look(row(L.RESTING, next_run_at=NOW), children=(child(),)).wake == ("loop:1",)
    assert look(row(L.RESTING, next_run_at=NOW + 1), children=(child(),)).wake == ()
    assert look(row(L.RESTING, next_run_at=NOW), children=(child(stopping=True),)).wake == ()
    assert look(row(L.RUNNING), children=(child(),)).wake == ()


def test_the_queue_is_fair() -> None:
    rows = [
        row(L.PENDING, id=1, created_at=30),
        row(L.RESTING, id=2, created_at=1, next_run_at=20),
        row(L.PENDING, id=3, created_at=10),
        row(L.PENDING, id=4, created_at=40, priority=5),
        row(L.PENDING, id=5, created_at=1, priority=-5),
        row(L.RUNNING, D.CANCEL, id=6, created_at=50),
    ]
    assert look(*rows).start == ("loop:6", "loop:4", "loop:3", "loop:2", "loop:1", "loop:5")
    plan = look(*rows, max_running=3)
    assert plan.start == ("loop:6", "loop:4", "loop:3")
    # Each loop is counted once.
    assert plan.counts == {"running": 1, "queued": 3, "pending": 2}
    assert plan.queue == Queue(order={"loop:2": 1, "loop:1": 2, "loop:5": 3}, taken=3, places=3)
    assert look(*rows).queue == Queue()
    assert look(*rows, max_running=1, children=(child(8), child(9))).queue.taken == 2
    assert look(*rows, max_running=2, children=(child(8), child(9))).start == ()


def test_who_only_rests_gives_its_place_to_who_waits() -> None:
    rows = [
        row(L.RESTING, id=1, next_run_at=NOW + 1),
        row(L.RESTING, id=2, next_run_at=NOW + 3),
        row(L.RESTING, id=3, next_run_at=NOW + 2),
        row(L.RUNNING, id=4),
        row(L.PENDING, id=5),
        row(L.PENDING, id=6),
    ]
    children = (child(1), child(2), child(3), child(4))
    plan = look(*rows, children=children, max_running=4)
    # Those whose next run is the furthest away, and no more of them than are waited for.
    assert (plan.start, plan.stop) == ((), {"loop:2": Urgency.SAFE_POINT, "loop:3": Urgency.SAFE_POINT})
    assert look(*rows, children=children, max_running=5).stop == {"loop:2": Urgency.SAFE_POINT}
    assert look(*rows, children=children, max_running=6).stop == {}
    # One that ends already is a place to come.
    ending = (child(1), child(2, stopping=True), child(3), child(4))
    assert look(*rows, children=ending, max_running=4).stop == {"loop:3": Urgency.SAFE_POINT}
    assert look(*rows, children=(child(4),), max_running=1).stop == {}


def test_it_wants_to_look_again_when_the_next_one_is_due() -> None:
    assert look(row(L.PENDING)).look_again is None
    assert look(row(L.RESTING, next_run_at=NOW + 3 * SECOND)).look_again == 3.0
    soon = [row(L.RESTING, id=1, next_run_at=NOW + 3 * SECOND), row(L.PENDING, id=2, restart_at=NOW + SECOND)]
    assert look(*soon).look_again == 1.0
    assert look(row(L.WAITING, open_prompts=1), deadlines={1: NOW + 2 * SECOND}).look_again == 2.0
    assert look(row(L.PENDING), begins={1: NOW + 4 * SECOND}).look_again == 4.0
    # One that has its process looks after itself.
    assert look(row(L.RESTING, next_run_at=NOW + SECOND), children=(child(),)).look_again is None


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
    assert len(look(*rows, begins=begins, max_running=200).start) == 1


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
def test_whatever_there_is(rows: list[Row], running: dict[int, bool], most: int, deadlines: dict[int, int]) -> None:
    children = {f"loop:{n}": child(n, stopping=stopping) for n, stopping in running.items()}
    plan = compare(rows, deadlines, children, NOW, max_running=most, begins={})
    by_key = {f"loop:{one.id}": one for one in rows}
    # Never a second process, never more than there is room for, and everybody else has to wait for a reason.
    assert not set(plan.start) & set(children)
    assert len(plan.start) <= max(0, most - len(children))
    assert len(set(plan.start)) == len(plan.start)
    due = {key for key, one in by_key.items() if (at := due_at(one, deadlines.get(one.id))) is not None and at <= NOW}
    assert set(plan.start) <= due - set(children)
    if len(plan.start) < most - len(children):
        assert set(plan.start) == due - set(children)
    assert set(plan.stop) <= set(children)
    waits = len(due - set(children)) - len(plan.start)
    for key in plan.stop:
        assert by_key[key].desired != D.RUN or (by_key[key].state == L.RESTING and waits > 0)
    assert set(plan.wake) <= set(children) - set(plan.stop)
    # Once what it wants is done, it wants nothing more at the same instant.
    after = {**children, **{key: child(int(key[5:])) for key in plan.start}}
    after = {
        key: Child(key=key, pid=1, started_at=0, stopping=one.stopping or key in plan.stop)
        for key, one in after.items()
    }
    again = compare(rows, deadlines, after, NOW, max_running=most, begins={})
    assert again.start == ()
    assert all(urgency is Urgency.NOW for key, urgency in again.stop.items() if key in plan.stop)
    if plan.look_again is not None:
        assert plan.look_again > 0
