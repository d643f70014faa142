"""The tables of moves: complete and reachable."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.state_machine import IllegalMove
from ftl2_enterprise.loops.lifecycle import (
    ACTION,
    BREAKER,
    ENDED_LOOPS,
    LOOP,
    MACHINES,
    PAUSABLE,
    RETRYABLE,
    LoopEvent,
)
from ftl2_enterprise.protocol.loops.nouns import ActionState, LoopState


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_is_reachable_and_something_ends(machine):
    seen, todo = set(), [machine.initial]
    while todo:
        state = todo.pop()
        if state not in seen:
            seen.add(state)
            todo += machine.table[state].values()
    assert seen == set(machine.states)
    # A circuit breaker has no end.
    assert machine.final_states or machine is BREAKER


def test_nothing_leads_out_of_success():
    assert LOOP.is_final(LoopState.COMPLETED)
    assert ACTION.is_final(ActionState.SUCCEEDED)


def test_an_unknown_action_is_never_run_again():
    assert ACTION.is_final(ActionState.UNKNOWN)


def test_a_move_that_is_not_in_the_table_is_refused():
    with pytest.raises(IllegalMove, match="no move 'asked' from 'completed'"):
        LOOP.after(LoopState.COMPLETED, LoopEvent.ASKED)


def test_the_sets_of_states_follow_from_the_table():
    assert ENDED_LOOPS == (LoopState.COMPLETED, LoopState.FAILED, LoopState.CANCELLED)
    assert {LoopState.PENDING, LoopState.RUNNING, LoopState.WAITING, LoopState.RESTING} == PAUSABLE
    assert {LoopState.FAILED, LoopState.BLOCKED} == RETRYABLE
