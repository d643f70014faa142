"""Queries and writes of loops: names, claims, pages, prompts, hosts, rules and model calls."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.lifecycle import ActionEvent, LoopEvent
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    hosts as host_rows,
    increments as increment_rows,
    loops as loop_rows,
    model_calls as model_call_rows,
    observations as observation_rows,
    prompts as prompt_rows,
    rules as rule_rows,
)
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.decision import ObservationSpec
from ftl2_enterprise.protocol.loops.facts import LoopCompleted, LoopStarted, PromptAnswered, loop_subject
from ftl2_enterprise.protocol.loops.hosts import HostState
from ftl2_enterprise.protocol.loops.nouns import (
    CallOutcome,
    Condition,
    Desired,
    Mode,
    ObservationState,
    Outcome,
    PromptState,
)
from ftl2_enterprise.store import events
from ftl2_enterprise.wiring.database import open_database
from tests.support.database import ask, begun_iteration, end_iteration, propose, spec, started_loop
from tests.support.facts import LOOP_FACTS, sample

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.store.database import Store


def kinds(db: Store, loop_id: int) -> list[str]:
    with db.read() as tx:
        return [fact.kind for fact in events.list_events(tx, subject=loop_subject(loop_id))]


# --- finding loops -------------------------------------------------------------------------------------------------


def test_create_loop_stores_the_spec(db: Store) -> None:
    asked = spec("web", mode=Mode.CONTINUOUS, observers=[ObservationSpec(name="a", module="ping")], max_cost=1.5)
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, asked)
    with db.read() as tx:
        assert loop_rows.get_loop(tx, loop.id) == loop
        (fact,) = events.list_events(tx)
    assert loop.spec == asked
    assert (loop.mode, loop.state, loop.desired, loop.condition) == ("continuous", "pending", "run", "unknown")
    assert (fact.kind, fact.subject) == ("loop.created", f"loop:{loop.id}")
    assert fact.data == {"name": "web", "mode": "continuous", "decider": "auto", "dry_run": False}


def test_a_name_is_unique(db: Store) -> None:
    with db.write() as tx:
        loop_rows.create_loop(tx, spec())
    with pytest.raises(Problem) as caught, db.write() as tx:
        loop_rows.create_loop(tx, spec())
    assert caught.value.code is Code.CONFLICT
    assert str(caught.value).startswith('cannot create the loop "web"')
    assert "--resume web" in str(caught.value)


def test_a_loop_is_found_by_id_name_and_prefix(db: Store) -> None:
    with db.write() as tx:
        made = {
            name: loop_rows.create_loop(tx, spec(name)).id
            for name in ("web", "web-staging", "database", "2", "ünder")
        }

    def find(ref: int | str) -> int:
        with db.read() as tx:
            return loop_rows.get_loop(tx, ref).id

    assert find(made["web"]) == made["web"]
    assert find(str(made["database"])) == made["database"]
    assert find("web") == made["web"]
    assert find("web-") == find("web-s") == made["web-staging"]
    assert find("d") == made["database"]
    assert find("ü") == made["ünder"]
    assert find("2") == 2
    for ref, code, words in (
        ("we", Code.INVALID, 'ambiguous prefix of "web", "web-staging"'),
        ("databaze", Code.NOT_FOUND, 'did you mean "database"?'),
        ("zzz", Code.NOT_FOUND, "status --all"),
        ("", Code.NOT_FOUND, "cannot find"),
        (99, Code.NOT_FOUND, '"99"'),
        ("9" * 40, Code.NOT_FOUND, "cannot find"),
        ("%", Code.NOT_FOUND, "cannot find"),
    ):
        with pytest.raises(Problem) as caught:
            find(ref)
        assert caught.value.code is code
        assert words in str(caught.value)


def test_loops_are_read_in_pages(db: Store) -> None:
    with db.write() as tx:
        made = [started_loop(tx, f"loop-{n}") for n in range(7)]
        for loop, generation in made[::2]:
            loop_rows.move_loop(tx, loop.id, generation, sample(LoopCompleted), outcome=Outcome.CONVERGED)
    with db.read() as tx:
        assert [loop.name for loop in loop_rows.list_loops(tx, finished=False)] == ["loop-5", "loop-3", "loop-1"]
        everything = [loop.id for loop in loop_rows.list_loops(tx, finished=True)]
        assert everything == sorted(everything, reverse=True)
        first = loop_rows.list_loops(tx, finished=True, limit=3)
        rest = loop_rows.list_loops(tx, finished=True, before=first[-1].id)
        assert [loop.id for loop in first + rest] == everything


def test_loops_that_failed_lately_and_how_many_have_ended(db: Store) -> None:
    with db.write() as tx:
        for n, (event, outcome) in enumerate(
            [
                (LoopEvent.FAILED, Outcome.NOT_CONVERGED),
                (LoopEvent.COMPLETED, Outcome.CONVERGED),
                (LoopEvent.FAILED, Outcome.FAILED),
                (LoopEvent.CANCELLED, Outcome.CANCELLED),
            ]
        ):
            loop, generation = started_loop(tx, f"loop-{n}")
            loop_rows.move_loop(tx, loop.id, generation, sample(LOOP_FACTS[event]), outcome=outcome)
        started_loop(tx, "runs")
    with db.read() as tx:
        assert [loop.name for loop in loop_rows.list_recently_failed(tx, since=0)] == ["loop-2", "loop-0"]
        assert [loop.name for loop in loop_rows.list_recently_failed(tx, since=0, limit=1)] == ["loop-2"]
        assert loop_rows.list_recently_failed(tx, since=tx.now + 1) == []
        assert (loop_rows.count_ended(tx, limit=100), loop_rows.count_ended(tx, limit=3)) == (4, 3)


# --- claims --------------------------------------------------------------------------------------------------------


def test_a_claim_fences_the_one_before(db: Store) -> None:
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, spec())
        first = loop_rows.claim_loop(tx, loop.id, "host 1")
        second = loop_rows.claim_loop(tx, loop.id, "boot:22:333")
    assert (first, second) == (1, 2)
    for late in (
        lambda tx: loop_rows.update_loop(tx, loop.id, first, condition=Condition.IN_SYNC),
        lambda tx: loop_rows.move_loop(tx, loop.id, first, sample(LoopStarted), run=1),
        lambda tx: loop_rows.check_claim(tx, loop.id, first),
    ):
        with pytest.raises(Problem) as caught, db.write() as tx:
            late(tx)
        assert caught.value.code is Code.CONFLICT
        assert str(caught.value) == 'cannot continue the loop "web": another process has claimed it; it is process 22'
    with db.write() as tx:
        assert loop_rows.get_loop(tx, loop.id).condition is Condition.UNKNOWN
        loop_rows.update_loop(tx, loop.id, second, condition=Condition.IN_SYNC)
        loop_rows.move_loop(tx, loop.id, second, sample(LoopStarted), run=1)
    with db.read() as tx:
        assert loop_rows.get_loop(tx, loop.id).condition is Condition.IN_SYNC
    assert kinds(db, loop.id) == ["loop.created", "loop.started"]


def test_claims_at_once_get_different_generations(db: Store, path: Path) -> None:
    with db.write() as tx:
        loop = loop_rows.create_loop(tx, spec())
    got: list[int] = []

    def claim() -> None:
        own = open_database(path, create=False)
        for _ in range(10):
            with own.write() as tx:
                got.append(loop_rows.claim_loop(tx, loop.id, "me"))
        own.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 41))


def test_a_missing_loop_is_not_found(db: Store) -> None:
    for call in (
        lambda tx: loop_rows.claim_loop(tx, 7, "me"),
        lambda tx: loop_rows.update_loop(tx, 7, 1, run=2),
        lambda tx: loop_rows.insert_iteration(tx, 7, 1),
        lambda tx: loop_rows.get_iteration(tx, 7),
        lambda tx: action_rows.get_action(tx, 7),
        lambda tx: prompt_rows.get_prompt(tx, 7),
        lambda tx: increment_rows.get_increment(tx, 7),
        lambda tx: rule_rows.update_rule_result(tx, 7, success=True, detail=None),
    ):
        with pytest.raises(Problem) as caught, db.write() as tx:
            call(tx)
        assert caught.value.code is Code.NOT_FOUND


def test_setting_the_desired_state_keeps_the_claim(db: Store) -> None:
    with db.write() as tx:
        loop, generation = started_loop(tx)
        loop_rows.set_desired(tx, loop.id, Desired.PAUSE)
        assert loop_rows.get_loop(tx, loop.id).desired is Desired.PAUSE
        loop_rows.check_claim(tx, loop.id, generation)


# --- iterations and actions ----------------------------------------------------------------------------------------


def test_iterations_are_read_in_pages(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        for n in range(1, 8):
            iteration = loop_rows.insert_iteration(tx, loop.id, 1 + n // 5)
            assert iteration.n == n
            assert loop_rows.open_iteration(tx, loop.id) == iteration
            end_iteration(tx, iteration.id)
        assert loop_rows.open_iteration(tx, loop.id) is None

    def ns(**page: Any) -> list[int]:
        with db.read() as tx:
            return [each.n for each in loop_rows.get_iterations(tx, loop.id, **page)]

    assert ns() == [1, 2, 3, 4, 5, 6, 7]
    assert ns(limit=3) == [1, 2, 3]
    assert ns(after=3, limit=3) == [4, 5, 6]
    assert ns(newest=True, limit=3) == [5, 6, 7]
    assert ns(newest=True, before=5, limit=3) == [2, 3, 4]
    assert ns(after=2, before=5) == [3, 4]
    with db.read() as tx:
        assert [each.n for each in loop_rows.iterations_of_run(tx, loop.id, 2)] == [5, 6, 7]


def test_actions_of_many_iterations_are_grouped(db: Store) -> None:
    made: dict[int, list[int]] = {}
    with db.write() as tx:
        loop, _ = started_loop(tx)
        for n in range(1200):
            iteration = loop_rows.insert_iteration(tx, loop.id, 1)
            made[iteration.id] = [propose(tx, iteration, n=each) for each in range(n % 3)]
            end_iteration(tx, iteration.id)
    with db.read() as tx:
        found = action_rows.get_actions_for_iterations(tx, made)
        assert {key: [action.id for action in actions] for key, actions in found.items()} == made
        every = [action for actions in made.values() for action in actions]
        newest = action_rows.get_actions_for_loop(tx, loop.id, limit=5)
        assert [action.id for action in newest] == every[:-6:-1]
        older = action_rows.get_actions_for_loop(tx, loop.id, before=newest[-1].id, limit=2)
        assert [action.id for action in older] == every[-6:-8:-1]


def test_unknown_and_changed_actions_are_found(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        lost: list[int] = []
        for run in (1, 1, 2):
            iteration = loop_rows.insert_iteration(tx, loop.id, run)
            for event in (ActionEvent.LOST, ActionEvent.SUCCEEDED):
                action = propose(tx, iteration)
                action_rows.move_action(tx, action, ActionEvent.STARTED)
                changed = True if event is ActionEvent.SUCCEEDED else None
                action_rows.move_action(tx, action, event, changed=changed)
                if event is ActionEvent.LOST:
                    lost.append(action)
            end_iteration(tx, iteration.id)
        unknown = action_rows.get_unknown_actions(tx, loop.id, since_iteration_n=2)
        assert [action.id for action in unknown] == lost[1:]
        assert [action_rows.count_changed(tx, loop.id, run) for run in (1, 2, 3)] == [2, 1, 0]
        assert action_rows.count_changed(tx, loop.id + 1, 1) == 0


def test_an_observation_ends_once(db: Store) -> None:
    with db.write() as tx:
        observation = observation_rows.insert_observation(
            tx, begun_iteration(tx), name="a", module="ping", host="web1", params={}, origin="rule:x"
        )
        observation_rows.finish_observation(tx, observation, ObservationState.SUCCEEDED, result='{"ping": "pong"}')
    with pytest.raises(Problem) as caught, db.write() as tx:
        observation_rows.finish_observation(tx, observation, ObservationState.FAILED, result="{}", error="late")
    assert caught.value.code is Code.CONFLICT


# --- prompts -------------------------------------------------------------------------------------------------------


def test_a_prompt_is_answered_once(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)
        number = ask(tx, iteration)
        assert loop_rows.get_loop(tx, iteration.loop_id).open_prompts == 1
        (waiting,) = prompt_rows.get_prompts(tx, None, state=PromptState.OPEN)
    with db.write() as tx:
        answered = prompt_rows.answer_prompt(tx, number, "8080", "eva")
    assert (answered.state, answered.answer, answered.answered_by) == ("answered", "8080", "eva")
    assert answered.answered_at == tx.now
    assert waiting.options == ["80", "8080"]
    for late in (
        lambda tx: prompt_rows.answer_prompt(tx, number, "80", "tom"),
        lambda tx: prompt_rows.expire_prompt(tx, number),
        lambda tx: prompt_rows.dismiss_prompt(tx, number),
    ):
        with pytest.raises(Problem, match="it is answered by eva already") as caught, db.write() as tx:
            late(tx)
        assert caught.value.code is Code.CONFLICT
    with db.read() as tx:
        assert prompt_rows.get_prompt(tx, number) == answered
        assert loop_rows.get_loop(tx, iteration.loop_id).open_prompts == 0
        fact = events.list_events(tx, subject=loop_subject(iteration.loop_id))[-1]
    assert fact_of(fact) == PromptAnswered(
        iteration_id=iteration.id, prompt_id=number, answer="8080", answered_by="eva"
    )


def test_the_same_question_is_open_once(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)
        first = ask(tx, iteration)
        ask(tx, iteration, "another")
    with pytest.raises(Problem, match="it is waiting for an answer"), db.write() as tx:
        ask(tx, iteration)
    with db.write() as tx:
        prompt_rows.expire_prompt(tx, first)
        again = ask(tx, iteration)
        prompt_rows.dismiss_prompt(tx, again)
        found = prompt_rows.get_prompts(tx, iteration.loop_id)
        assert [prompt.state for prompt in found] == ["expired", "open", "dismissed"]
    assert kinds(db, iteration.loop_id)[-2:] == ["prompt.expired", "prompt.dismissed"]


# --- hosts, resources, rules, models, increments -------------------------------------------------------------------


def test_registering_a_host_again_keeps_its_facts(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        made = host_rows.upsert_host(tx, loop.id, "web1", ansible_host="10.0.0.1", groups=["web"])
        host_rows.set_host_facts(tx, loop.id, "web1", {"os": "debian"})
    with db.write() as tx:
        again = host_rows.upsert_host(tx, loop.id, "web1", ansible_host="10.0.0.2", ansible_port=2222)
    assert (again.id, again.created_at, again.facts) == (made.id, made.created_at, {"os": "debian"})
    assert (again.ansible_host, again.ansible_port, again.groups) == ("10.0.0.2", 2222, [])
    assert again.updated_at == tx.now > made.updated_at


def test_facts_of_an_inventory_host_are_merged(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        host_rows.set_host_facts(tx, loop.id, "db1", {"os": "fedora"})
        host_rows.set_host_facts(tx, loop.id, "db1", {"os": "debian"})
        (host,) = host_rows.get_hosts(tx, loop.id)
        assert (host.state, host.facts) == (HostState.KNOWN, {"os": "debian"})
        registered = host_rows.upsert_host(tx, loop.id, "db1")
        assert (registered.state, registered.facts) == (HostState.REGISTERED, {"os": "debian"})
        assert host_rows.remove_host(tx, loop.id, "db1")
        assert not host_rows.remove_host(tx, loop.id, "db1")
        assert host_rows.get_hosts(tx, loop.id) == []


def test_resources_are_added_changed_and_removed(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        other, _ = started_loop(tx, "other")
        first = host_rows.upsert_resource(tx, loop.id, "disk", {"size": 1})
        host_rows.upsert_resource(tx, other.id, "disk", {"size": 9})
    with db.write() as tx:
        second = host_rows.upsert_resource(tx, loop.id, "disk", {"size": 2})
        assert (second.id, second.created_at, second.data) == (first.id, first.created_at, {"size": 2})
        assert host_rows.remove_resource(tx, loop.id, "disk")
        assert not host_rows.remove_resource(tx, loop.id, "disk")
        assert [each.data for each in host_rows.get_resources(tx, other.id)] == [{"size": 9}]


def test_rule_results_are_stored(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)
        fired = rule_rows.insert_rule_result(
            tx, iteration, rule_name="a", rule_digest="d", matched=True, fired=True, success=None, detail=None
        )
        rule_rows.insert_rule_result(
            tx, iteration, rule_name="b", rule_digest="d", matched=False, fired=False, success=False, detail="broken"
        )
        rule_rows.update_rule_result(tx, fired, success=True, detail="ok")
        found = rule_rows.get_rule_results(tx, iteration.id)
        assert [(r.rule_name, r.fired, r.success, r.detail) for r in found] == [
            ("a", True, True, "ok"),
            ("b", False, False, "broken"),
        ]
        assert rule_rows.get_rule_results_for_loop(tx, iteration.loop_id, limit=1) == found[1:]
        assert rule_rows.get_rule_results_for_loop(tx, iteration.loop_id, before=found[1].id) == found[:1]


def test_model_calls_and_their_cost_are_stored(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)

        def begin(max_cost: float | None = None) -> int:
            return model_call_rows.begin_model_call(
                tx, iteration, purpose="decide", provider="claude", model=None, request="?", max_cost=max_cost
            )

        def finish(call: int, outcome: CallOutcome, cost: float | None) -> None:
            model_call_rows.finish_model_call(
                tx, call, outcome, input_tokens=10, output_tokens=2, cost_usd=cost, latency=0.5,
                response="!", error=None, model="opus",
            )  # fmt: skip

        first = begin(1.0)
        assert [call.id for call in model_call_rows.get_open_model_calls(tx, iteration.loop_id)] == [first]
        finish(first, CallOutcome.OK, 0.25)
        with pytest.raises(Problem, match="not in flight"):
            finish(first, CallOutcome.OK, 0.25)
        second = begin(1.0)
        finish(second, CallOutcome.UNKNOWN, None)
        third = begin(1.0)
        finish(third, CallOutcome.MALFORMED, 0.75)
        assert model_call_rows.spent_on(tx, iteration.loop_id) == 1.0
        with pytest.raises(Problem, match=r"has cost 1.00 USD, and its limit is 1.00 USD") as caught:
            begin(1.0)
        assert caught.value.code is Code.DENIED
        calls = model_call_rows.get_model_calls(tx, iteration.loop_id)
        assert [call.id for call in calls] == [third, second, first]
        assert model_call_rows.get_model_calls(tx, iteration.loop_id, before=second) == calls[2:]
        assert model_call_rows.get_model_calls_for_iteration(tx, iteration.id) == calls[::-1]
        assert (calls[2].model, calls[2].cost_usd, calls[2].outcome) == ("opus", 0.25, "ok")
        assert model_call_rows.get_open_model_calls(tx, iteration.loop_id) == []
        loop = loop_rows.get_loop(tx, iteration.loop_id)
    assert (loop.model_call_count, loop.cost_usd) == (3, 1.0)
    assert kinds(db, loop.id)[-6:] == ["model.asked", "model.answered"] * 3


def test_increments_are_stored(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        first = increment_rows.insert_increment(tx, loop.id, desired_state="disks")
        second = increment_rows.insert_increment(tx, loop.id, desired_state="repair", is_fix=True, reason="review")
        assert (first.n, second.n, second.is_fix, second.state) == (1, 2, True, "pending")
        assert increment_rows.get_increments(tx, loop.id) == [first, second]
        iteration = loop_rows.insert_iteration(tx, loop.id, 1, increment_id=second.id)
        assert iteration.increment_id == second.id
