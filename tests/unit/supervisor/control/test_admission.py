"""One budget over the plans of several managers."""

from __future__ import annotations

from hypothesis import given, strategies as st

from ftl2_enterprise.core.children import Candidate, Child, Plan, Queue, Urgency
from ftl2_enterprise.supervisor.control.admission import admit


def child(key: str, *, stopping: bool = False) -> Child:
    return Child(key=key, pid=7, started_at=0, stopping=stopping)


def children(*keys: str) -> dict[str, Child]:
    return {key: child(key) for key in keys}


def test_places_are_given_by_priority_and_age_across_managers() -> None:
    one = Plan(start=(Candidate("a:1", 5, 40), Candidate("a:2", 0, 10), Candidate("a:3", 0, 30)))
    other = Plan(start=(Candidate("b:1", 9, 50), Candidate("b:2", 0, 20)))
    assert admit([one, other], {}, max_running=9).start == ("b:1", "a:1", "a:2", "b:2", "a:3")
    found = admit([one, other], children("a:9"), max_running=4)
    assert found.start == ("b:1", "a:1", "a:2")
    assert found.queue == Queue(order={"b:2": 1, "a:3": 2}, taken=4, places=4)
    # A full house, and one that is fuller than a lowered limit allows.
    assert admit([one, other], children("a:9", "b:9"), max_running=2).start == ()
    assert admit([one, other], children("a:9", "b:9"), max_running=1).queue.taken == 2


def test_each_manager_keeps_its_own_order() -> None:
    plan = Plan(start=(Candidate("a:2", 0, 20), Candidate("a:1", 0, 10)))
    assert admit([plan], {}, max_running=1).start == ("a:2",)


def test_resting_children_end_for_waiting_keys_of_another_manager() -> None:
    resting = Plan(yields={"a:1": 100, "a:2": 300})
    waiting = Plan(start=(Candidate("b:1"),))
    everyone = children("a:1", "a:2")
    found = admit([resting, waiting], everyone, max_running=2)
    assert (found.start, found.end) == ((), ("a:2",))
    assert admit([resting, waiting], everyone, max_running=3).end == ()
    # A child that is ending already is a place to come, whatever ends it.
    assert admit([resting, waiting, Plan(stop={"c:1": Urgency.NOW})], everyone, max_running=2).end == ()
    ending = {**children("a:2"), "a:1": child("a:1", stopping=True)}
    assert admit([Plan(yields={"a:2": 300}), waiting], ending, max_running=2).end == ()


def test_a_waiting_key_is_counted_once() -> None:
    one = Plan(start=(Candidate("a:1", 0, 1, "pending"), Candidate("a:2", 0, 2, "pending")), counts={"pending": 2})
    other = Plan(counts={"running": 1, "pending": 1, "paused": 0})
    assert admit([one, other], {}, max_running=5).counts == {"pending": 3, "running": 1, "paused": 0}
    assert admit([one, other], children("b:1"), max_running=2).counts == {
        "pending": 2, "running": 1, "queued": 1, "paused": 0,
    }  # fmt: skip
    assert admit([one, other], {}, max_running=0).counts == {"pending": 1, "running": 1, "queued": 2, "paused": 0}
    assert admit([one], {}, max_running=0).counts == {"queued": 2}


candidates = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 9)), max_size=8)


@given(st.lists(candidates, max_size=3), st.integers(0, 5), st.integers(0, 12))
def test_no_place_stays_free_while_one_waits(given: list[list[tuple[int, int]]], living: int, most: int) -> None:
    plans = [
        Plan(
            start=tuple(
                Candidate(f"{manager}:{n}", priority, since)
                for n, (priority, since) in enumerate(sorted(due, key=lambda one: (-one[0], one[1])))
            )
        )
        for manager, due in enumerate(given)
    ]
    found = admit(plans, children(*(f"x:{n}" for n in range(living))), max_running=most)
    rank = {one.key: (-one.priority, one.since) for plan in plans for one in plan.start}
    assert len(found.start) == min(len(rank), max(0, most - living))
    assert {*found.start, *found.queue.order} == set(rank)
    order = [rank[key] for key in (*found.start, *found.queue.order)]
    assert order == sorted(order)
