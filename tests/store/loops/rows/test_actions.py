"""Queries of actions: by iteration, unknown and changed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    loops as loop_rows,
)
from tests.support.data.database import end_iteration, propose, started_loop

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store


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
        for some in (list(made)[:n] for n in (0, 1, 7, 8, 9)):
            few = action_rows.get_actions_for_iterations(tx, some)
            assert {key: [action.id for action in actions] for key, actions in few.items()} == {
                key: made[key] for key in some
            }
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
