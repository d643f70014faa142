"""Units of work about observations; see `units`."""

from __future__ import annotations

from typing import Any

from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.loops.host_facts import merged
from ftl2_enterprise.loops.rows import hosts as host_rows, loops as loop_rows, observations as observation_rows
from ftl2_enterprise.protocol.loops.nouns import Iteration, ObservationState
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


class NewObservation(Wire, frozen=True):
    """The intent to look at something."""

    name: str
    module: str
    host: str
    params: dict[str, Any]
    origin: str
    refused: str | None = None
    """Why it is not even tried."""
    denied: bool = False
    """Refused by policy."""


class DoneObservation(Wire, frozen=True):
    """What came of an observation."""

    id: int
    name: str
    host: str
    state: ObservationState
    result: str
    """JSON."""
    error: str | None


class Results(Wire, frozen=True):
    """What came of everything that was looked at."""

    done: list[DoneObservation]
    facts: dict[str, dict[str, Any]]
    """What it tells of hosts, by their names."""


@unit
def begin_observations(tx: Tx, iteration: Iteration, wanted: list[NewObservation]) -> list[int]:
    """Commit what is about to be looked at; what is refused ends here."""
    ids: list[int] = []
    for new in wanted:
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
    """Commit what was seen, and what it tells about hosts."""
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
    """What was being looked at when it was cut off is not known."""
    for seen in observation_rows.get_observations(tx, iteration.id):
        if seen.state is ObservationState.RUNNING:
            observation_rows.finish_observation(
                tx, seen.id, ObservationState.UNKNOWN, result="{}", error="cut off before its result was stored"
            )
