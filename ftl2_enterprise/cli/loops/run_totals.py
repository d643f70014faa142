"""Counts of a whole run from the database, whichever processes ran it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    loops as loop_rows,
    model_calls as model_call_rows,
    observations as observation_rows,
)
from ftl2_enterprise.protocol.loops.nouns import ActionState, ObservationState
from ftl2_enterprise.render.loops.state_words import kind_of
from ftl2_enterprise.render.loops.tally import Tally
from ftl2_enterprise.store import texts

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Action, Loop, Observation
    from ftl2_enterprise.store.tx import Tx


def of_run(tx: Tx, loop: Loop) -> Tally:
    """The iterations, actions and model calls of the loop's last run."""
    ids = [one.id for one in loop_rows.iterations_of_run(tx, loop.id, loop.run)]
    tally = Tally(iterations=len(ids))
    for actions in action_rows.get_actions_for_iterations(tx, ids).values():
        for kind in map(kind_of, actions):
            # Proposed and running actions have no result yet.
            if hasattr(tally, kind):
                setattr(tally, kind, getattr(tally, kind) + 1)
        tally.would_ask += sum(one.state is ActionState.PREVIEWED and one.error is not None for one in actions)
    for call in (one for iteration in ids for one in model_call_rows.get_model_calls_for_iteration(tx, iteration)):
        tally.model_calls += 1
        tally.input_tokens += call.input_tokens or 0
        tally.output_tokens += call.output_tokens or 0
        tally.cost_usd += call.cost_usd or 0.0
    return tally


@dataclass(frozen=True, kw_only=True)
class RunFindings:
    """What the last run of a loop would have done, was not permitted to do, and could not find out."""

    previewed: list[Action] = field(default_factory=list["Action"])
    """Actions that were only shown, with the complete texts of what they would change."""
    denied: list[Action] = field(default_factory=list["Action"])
    unobserved: list[Observation] = field(default_factory=list["Observation"])
    """Observations of the last iteration without a result: they failed or were denied."""
    unknown: list[str] = field(default_factory=list[str])
    """What the last decision lists as not known."""


def findings(tx: Tx, loop: Loop) -> RunFindings:
    """Those of the loop's last run."""
    iterations = loop_rows.iterations_of_run(tx, loop.id, loop.run)
    found = action_rows.get_actions_for_iterations(tx, [one.id for one in iterations])
    actions = [one for each in found.values() for one in each]
    last = iterations[-1] if iterations else None
    seen = observation_rows.get_observations(tx, last.id) if last is not None else []
    return RunFindings(
        previewed=[
            msgspec.structs.replace(one, diff=msgspec.structs.replace(one.diff, shown=texts.whole(tx, one.diff)))
            for one in actions
            if one.state is ActionState.PREVIEWED
        ],
        denied=[one for one in actions if one.state is ActionState.DENIED],
        unobserved=[one for one in seen if one.state not in {ObservationState.RUNNING, ObservationState.SUCCEEDED}],
        unknown=last.decision.unknown if last is not None and last.decision is not None else [],
    )
