"""What follows a run, by table and by property."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.core.backoff import exponential, jittered
from ftl2_enterprise.loops.engine.after_run import LoopEnd, LoopRest, after_run
from ftl2_enterprise.protocol.loops.facts import LoopBlocked, LoopCompleted, LoopFailed
from ftl2_enterprise.protocol.loops.nouns import Mode, Outcome


def follow(outcome, mode=Mode.CONTINUOUS, failures=0, random=0.5):
    return after_run(outcome, mode, failures=failures, interval=60.0, jitter=0.1, cap=3600.0, random=random)


@pytest.mark.parametrize(
    ("outcome", "fact"),
    [
        (Outcome.CONVERGED, LoopCompleted),
        (Outcome.PREVIEWED, LoopCompleted),
        (Outcome.NOT_CONVERGED, LoopFailed),
        (Outcome.DENIED, LoopFailed),
        (Outcome.UNAPPROVED, LoopFailed),
        (Outcome.DRIFTED, LoopFailed),
        (Outcome.MODEL_FAILED, LoopFailed),
        (Outcome.BLOCKED, LoopBlocked),
    ],
)
def test_a_single_loop_ends(outcome, fact):
    assert follow(outcome, Mode.SINGLE) == LoopEnd(fact=fact)


@pytest.mark.parametrize("outcome", [Outcome.BLOCKED, Outcome.PREVIEWED])
def test_a_continuous_loop_ends_where_a_person_is_needed(outcome):
    assert isinstance(follow(outcome), LoopEnd)


@pytest.mark.parametrize("outcome", [Outcome.NOT_CONVERGED, Outcome.DENIED, Outcome.MODEL_FAILED])
def test_a_continuous_loop_that_did_not_converge_tries_again(outcome):
    assert follow(outcome, failures=1) == LoopRest(delay=120.0, failures=2)


def test_in_sync_rests_for_the_interval_and_resets_failures():
    assert follow(Outcome.CONVERGED, failures=7) == LoopRest(delay=60.0, failures=0)


def test_failures_rest_longer_each_time_up_to_the_cap():
    rests = [follow(Outcome.MODEL_FAILED, failures=n) for n in range(8)]
    delays = [rest.delay for rest in rests if isinstance(rest, LoopRest)]
    assert delays == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0]


def test_a_cap_below_the_interval_never_shortens_it():
    rest = after_run(
        Outcome.NOT_CONVERGED, Mode.CONTINUOUS, failures=0, interval=7200.0, jitter=0.0, cap=60.0, random=0.5
    )
    assert isinstance(rest, LoopRest)
    assert rest.delay == 7200.0


@given(st.floats(0, 0.999), st.floats(0.001, 1e6))
def test_jitter_spreads_by_its_share_only(random, seconds):
    assert 0.9 * seconds <= jittered(seconds, jitter=0.1, random=random) <= 1.1 * seconds + 1e-9


@given(st.integers(-5, 10_000))
def test_backoff_is_bounded_for_any_number_of_failures(failures):
    assert 0.0 <= exponential(failures, base=1.0, cap=30.0) <= 30.0
