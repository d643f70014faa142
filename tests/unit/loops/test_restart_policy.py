"""What follows the end of a loop's process, by table and by property."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.loops.restart_policy import JITTER, ProcessEnd, RestartLimits, decide_restart

NOW = 1_000_000_000_000
SECOND = 1_000_000
RULES = RestartLimits(delay=0.5, cap=60.0, healthy_after=10.0, limit=4, period=600.0)


def end(why: Why = Why.KILLED, **values: Any) -> ProcessEnd:
    return ProcessEnd(why=why, **values)


def after(one: ProcessEnd, crashes: int = 0, since: int | None = None, *, now: int = NOW, random: float = 0.5) -> Any:
    return decide_restart(one, crashes=crashes, crashes_since=since, now=now, restarts=RULES, random=random)


def delay(one: Any) -> float | None:
    return None if one.restart_at is None else (one.restart_at - NOW) / SECOND


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (end(Why.EXITED, status=0), False),
        (end(Why.EXITED, status=69), False),
        (end(Why.EXITED, status=75), False),
        (end(Why.EXITED, status=1), True),
        (end(Why.EXITED, status=70), True),
        (end(Why.KILLED, signal=9), True),
        (end(Why.HUNG, signal=9), True),
        (end(Why.OUT_OF_MEMORY, signal=9), True),
        (end(Why.LATE, signal=9), False),
        (end(Why.NOT_STARTED), False),
    ],
)
def test_which_ends_count_as_crashes(one: ProcessEnd, counts: bool) -> None:
    found = after(one)
    assert (found.crashes, found.crashes_since) == ((1, NOW) if counts else (0, None))
    assert found.failed is None


def test_it_waits_for_the_database_and_for_another_process() -> None:
    assert delay(after(end(Why.EXITED, status=69))) == 2.0
    assert delay(after(end(Why.EXITED, status=75))) == 5.0
    assert delay(after(end(Why.EXITED, status=0))) is None
    assert delay(after(end(Why.LATE))) is None


def test_the_first_restart_is_immediate_and_later_ones_are_delayed() -> None:
    assert delay(after(end())) is None
    assert [delay(after(end(), n, NOW - SECOND)) for n in (1, 2, 3)] == [0.5, 1.0, 2.0]
    # After a healthy run at once again; it counts in the period all the same.
    healthy = after(end(ran=10.0), 3, NOW - SECOND)
    assert (delay(healthy), healthy.crashes) == (None, 4)


def test_a_new_period_begins_after_the_old_one() -> None:
    found = after(end(), 4, NOW - 601 * SECOND)
    assert (found.crashes, found.crashes_since, found.failed, delay(found)) == (1, NOW, None, None)
    # Also one that began in a future that a wrong clock had seen.
    assert after(end(), 4, NOW + SECOND).crashes == 1


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (end(signal=9), "its process was killed by SIGKILL"),
        (end(signal=77), "its process was killed by signal 77"),
        (end(Why.HUNG), "sent no heartbeat"),
        (end(Why.OUT_OF_MEMORY), "memory limit"),
        (end(Why.EXITED, status=1), "ended with status 1"),
    ],
)
def test_too_many_crashes_fail_the_loop_with_the_reason(one: ProcessEnd, words: str) -> None:
    found = after(one, 4, NOW - 300 * SECOND)
    assert found.restart_at is None
    assert found.failed == f"its process crashed 5 times in 5 min, which is more than 4; last: {one.describe()}"
    assert words in found.failed


ENDS = st.builds(
    ProcessEnd,
    why=st.sampled_from(Why),
    status=st.one_of(st.none(), st.sampled_from([0, 1, 69, 70, 75])),
    signal=st.one_of(st.none(), st.integers(1, 64)),
    ran=st.floats(0, 100),
)


@given(ENDS, st.integers(0, 10), st.integers(-700, 700), st.floats(0, 1, exclude_max=True))
def test_any_sequence_of_ends_is_decided(one: ProcessEnd, crashes: int, ago: int, random: float) -> None:
    since = NOW - ago * SECOND if crashes else None
    found = after(one, crashes, since, random=random)
    assert (found.crashes > 0) == (found.crashes_since is not None)
    if found.failed is not None:
        assert one.is_crash
        assert found.crashes == crashes + 1 > RULES.limit
        assert found.restart_at is None
    elif found.restart_at is not None:
        assert NOW < found.restart_at <= NOW + RULES.cap * (1 + JITTER) * SECOND
    if not one.is_crash:
        assert (found.crashes, found.crashes_since) == (crashes, since)
    else:
        assert found.crashes in {1, crashes + 1}


@given(st.lists(st.floats(0, 9.9), min_size=1, max_size=30), st.floats(0, 1, exclude_max=True))
def test_a_loop_that_always_crashes_ends_failed(runs: list[float], random: float) -> None:
    now, crashes, since = NOW, 0, None
    times = 0
    for ran in runs:
        now += round(ran * SECOND)
        found = decide_restart(
            end(ran=ran), crashes=crashes, crashes_since=since, now=now, restarts=RULES, random=random
        )
        times += 1
        if found.failed is not None:
            break
        crashes, since = found.crashes, found.crashes_since
        now = max(now, found.restart_at or now)
    # All of it takes less than a period, so that the limit is what ends it.
    assert times == min(len(runs), RULES.limit + 1)
