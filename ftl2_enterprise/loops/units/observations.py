"""Units of work about observations; see `units.runs`."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.loops.host_facts import merged
from ftl2_enterprise.loops.rows import hosts as host_rows, loops as loop_rows, observations as observation_rows
from ftl2_enterprise.protocol.loops.nouns import Iteration, ObservationState
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


class NewObservation(Wire, frozen=True):
    """The intent to observe something on one host."""

    name: str
    module: str
    host: str
    params: dict[str, Any]
    origin: str
    refused: str | None = None
    """The reason for not attempting it."""
    denied: bool = False
    """Whether policy denies it."""


class DoneObservation(Wire, frozen=True):
    """The result of an observation."""

    id: int
    name: str
    host: str
    state: ObservationState
    result: str
    """A JSON object, redacted."""
    error: str | None


class Results(Wire, frozen=True):
    """The results of the observations of an iteration."""

    done: list[DoneObservation]
    facts: dict[str, dict[str, Any]]
    """Facts about hosts that follow from the results, by host name."""


@unit
def begin_observations(tx: Tx, iteration: Iteration, planned: list[NewObservation]) -> list[int]:
    """Insert observations that are about to run, and end the refused ones; returns their ids."""
    ids: list[int] = []
    for new in planned:
        row = observation_rows.insert_observation(
            tx, iteration, name=new.name, module=new.module, host=new.host, params=new.params, origin=new.origin
        )
        if new.refused is not None:
            state = ObservationState.DENIED if new.denied else ObservationState.FAILED
            observation_rows.finish_observation(tx, row, state, result="{}", error=new.refused)
        ids.append(row)
    return ids


@unit
def end_observations(
    tx: Tx,
    iteration: Iteration,
    generation: int,
    results: Results,
) -> None:
    """Commit the results of observations, and the facts about hosts that follow from them."""
    for seen in results.done:
        observation_rows.finish_observation(tx, seen.id, seen.state, result=seen.result, error=seen.error)
    if results.facts:
        known = {host.name: host.facts for host in host_rows.get_hosts(tx, iteration.loop_id)}
        for host, found in results.facts.items():
            now = merged(known.get(host, {}), found)
            if now != known.get(host):
                host_rows.set_host_facts(tx, iteration.loop_id, host, now)
    loop_rows.update_loop(tx, iteration.loop_id, generation, observed_at=tx.now)


@unit
def lose_observations(tx: Tx, iteration: Iteration) -> None:
    """Mark observations as unknown that were interrupted."""
    for seen in observation_rows.get_observations(tx, iteration.id):
        if seen.state is ObservationState.RUNNING:
            observation_rows.finish_observation(
                tx, seen.id, ObservationState.UNKNOWN, result="{}", error="interrupted before its result was stored"
            )
