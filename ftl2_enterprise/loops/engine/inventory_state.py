"""The hosts and resources that a loop registers: state operations, and machines that its actions created."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.redact import contains_mask
from ftl2_enterprise.gate.effects import Effect, EffectKind, HostIdentity, Origin
from ftl2_enterprise.gate.verdicts import Ruling
from ftl2_enterprise.loops.engine.context import unless
from ftl2_enterprise.loops.engine.registry_ops import is_plain_variable, machine_ops, valid_ops
from ftl2_enterprise.loops.ports import HostEntry
from ftl2_enterprise.loops.rows import hosts as host_rows
from ftl2_enterprise.loops.units import claim as claim_units, state as state_units
from ftl2_enterprise.protocol.loops.hosts import Host, HostState
from ftl2_enterprise.protocol.loops.nouns import LOCALHOST, Action, ActionState, Iteration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.loops.ports import Modules
    from ftl2_enterprise.protocol.loops.decision import StateOp
    from ftl2_enterprise.store.tx import Tx

SSH = 22
RETRY = 5.0
"""Seconds between attempts to connect to a new machine."""


def machines_created(engine: LoopContext, rows: Sequence[Action]) -> list[StateOp]:
    """State operations that register the machines that cloud modules report as created."""
    rows = [row for row in rows if row.state is ActionState.SUCCEEDED and row.target == LOCALHOST]
    made = [row for row in rows if row.output.digest is None and '"instance"' in row.output.shown]
    known = _users(engine) if made else {}
    ops: list[StateOp] = []
    for row in made:
        with contextlib.suppress(msgspec.DecodeError):
            ops.extend(machine_ops(row.module, msgspec.json.decode(row.output.shown), users=known))
    return ops


def _users(engine: LoopContext) -> dict[str, str | None]:
    hosts = engine.journal.read(host_rows.get_hosts, engine.journal.loop_id)
    return {host.name: host.ansible_user for host in hosts}


def registered(engine: LoopContext) -> set[str]:
    """Names of the hosts that the loop has registered."""
    hosts = engine.journal.read(host_rows.get_hosts, engine.journal.loop_id)
    return {host.name for host in hosts if host.state is HostState.REGISTERED}


def apply_now(engine: LoopContext, iteration: Iteration, op: StateOp, *, refused: str | None) -> None:
    """Apply an operation of a rule to the live inventory and commit it.

    An invalid one, and one for whose refusal there is a reason already, is recorded as refused. A dry run changes
    only the inventory in memory, so that it shows what the rule does next.
    """
    _apply(engine, iteration, [] if refused else [op], Origin.RULE, [refused] if refused else [])
    engine.journal.commit(claim_units.nothing)


def apply_with_next(engine: LoopContext, iteration: Iteration, ops: Sequence[StateOp]) -> set[str]:
    """Apply the operations to the live inventory; they are committed with the next unit, the decision that contains
    them. A dry run only records what it would apply.

    Host variables are dropped: only rules, which a person wrote, may set them. In a decision they could change how a
    host is reached and what runs there without any check by policy. Returns the names in what was applied.
    """
    if not ops:
        return set()
    return _apply(engine, iteration, list(map(without_variables, ops)), engine.decided_by)


def without_variables(op: StateOp) -> StateOp:
    """The operation of a decision without variables of the host that it adds."""
    return msgspec.structs.replace(op, data={}) if op.op == "add_host" else op


def restore(engine: LoopContext) -> None:
    """Apply to the live inventory what earlier processes of the loop registered and removed."""
    engine.journal.read(restore_hosts, engine.journal.loop_id, engine.modules)


def restore_hosts(tx: Tx, loop_id: int, modules: Modules) -> None:
    """Apply to an inventory what a loop registered and removed."""
    # What the inventory lists by now keeps what the inventory has about it.
    for name in host_rows.get_removed_hosts(tx, loop_id):
        with contextlib.suppress(Problem):
            modules.remove_host(name)
    for entry in registered_entries(host_rows.get_hosts(tx, loop_id)):
        with contextlib.suppress(Problem):
            modules.add_host(entry)


def registered_entries(hosts: Sequence[Host]) -> list[HostEntry]:
    """The hosts that a loop has registered, as entries of an inventory."""
    entries: list[HostEntry] = []
    for host in hosts:
        if host.state is HostState.REGISTERED:
            given: dict[str, Any] = host.facts.get(host_rows.VARIABLES, {})
            # A variable that was redacted when it was stored has lost its value.
            kept = {
                name: value for name, value in given.items() if is_plain_variable(name) and not contains_mask(value)
            }
            entries.append(entry_of(host, kept))
    return entries


def _apply(
    engine: LoopContext,
    iteration: Iteration,
    ops: Sequence[StateOp],
    origin: Origin,
    already_refused: Sequence[str] = (),
) -> set[str]:
    listed = {entry.name for entry in engine.modules.hosts()} - registered(engine)
    ops, refused = valid_ops(list(ops), users=_users(engine))
    refused = [*already_refused, *refused]
    done: list[StateOp] = []
    is_preview = engine.spec.dry_run
    for op in ops:
        why = _held(engine, op, origin)
        if why is not None:
            refused.append(why)
            continue
        try:
            match op.op:
                case _ if is_preview and origin is not Origin.RULE:
                    pass
                case "add_host":
                    engine.modules.add_host(entry_of(op, op.data))
                case "remove":
                    engine.modules.remove_host(op.name)
                case _:
                    pass
        except Problem as problem:
            # If it were stored, it would fail again in every later process.
            refused.append(str(problem))
        else:
            done.append(_redacted(engine, _marked(op, listed)))
    reasons = [engine.redactor.text(reason) for reason in refused]
    engine.journal.defer(state_units.change_state, iteration, ops=done, refused=reasons, previewed=is_preview)
    return {op.name for op in done}


def _held(engine: LoopContext, op: StateOp, origin: Origin) -> str | None:
    """Why the gate does not allow the operation, or None."""
    effect = effect_of_op(
        op, origin, modules=engine.modules, subject=engine.subject, environment=engine.spec.environment
    )
    verdict = engine.judge_effect(effect)
    if verdict.ruling is (Ruling.PREVIEW if engine.spec.dry_run else Ruling.ALLOW) and not verdict.needs:
        return None
    return f"cannot apply {op.op} of {op.name}: {verdict.reason or f'the gate rules {verdict.ruling}'}"


def effect_of_op(op: StateOp, origin: Origin, *, modules: Modules, subject: str, environment: str) -> Effect:
    """The effect of an operation, as the gate judges it before it is applied and for `policy check`."""
    match op.op:
        case "add_host":
            host = modules.identity_of(entry_of(op, op.data))
        case "remove":
            host = modules.identity(op.name)
        case _:
            host = HostIdentity(name="", connection="none")
    given = {"name": op.name, "ansible_host": op.ansible_host, "ansible_port": op.ansible_port,
             "ansible_user": op.ansible_user, "groups": list(op.groups)}  # fmt: skip
    return Effect(
        kind=EffectKind.STATE,
        origin=origin,
        subject=subject,
        host=host,
        module=op.op,
        params={**op.data, **{key: value for key, value in given.items() if value}},
        environment=environment,
    )


async def wait_for_machines(engine: LoopContext, created: Sequence[StateOp]) -> None:
    """Wait until new machines accept SSH connections, at most `ssh_wait` seconds each, or a stop is requested."""
    for op in created:
        if op.op == "add_host" and op.ansible_host:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(engine.limits.ssh_wait):
                    reached = _reached(op.ansible_host, op.ansible_port or SSH)
                    await unless(engine.stop.requested.wait(), reached)


async def _reached(address: str, port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(address, port)
            writer.close()
            return
        await asyncio.sleep(RETRY)


def entry_of(one: StateOp | Host, variables: Mapping[str, Any]) -> HostEntry:
    """A host that is registered, as an entry of an inventory."""
    return HostEntry(
        name=one.name,
        ansible_host=one.ansible_host,
        ansible_port=one.ansible_port,
        ansible_user=one.ansible_user,
        groups=tuple(one.groups),
        vars=variables,
    )


def _marked(op: StateOp, listed: set[str]) -> StateOp:
    """The operation; a removal records whether an inventory lists the host and would bring it back."""
    return msgspec.structs.replace(op, data={"listed": op.name in listed}) if op.op == "remove" else op


def _redacted(engine: LoopContext, op: StateOp) -> StateOp:
    return msgspec.structs.replace(op, data=engine.redactor.value(op.data))
