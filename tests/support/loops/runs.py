"""What a run of a scripted engine has recorded, and the decisions, rules and policies that tests give it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.loops.engine import reconcile
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import actions as action_rows, hosts as host_rows, loops as loop_rows
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision

if TYPE_CHECKING:
    from enum import StrEnum
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, IterationOutcome
    from tests.support.loops.engine import Bench


class Crash(BaseException):
    """The process ends here: nothing may catch it."""


def act(*modules: str, **fields) -> Decision:
    return Decision(actions=[ActionSpec(module=module) for module in modules], **fields)


def write_a_rule(tmp_path: Path, name: str, action: str, condition: str = "True") -> str:
    directory = tmp_path / "rules"
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.py").write_text(
        f'"""Repairs {name}."""\nimport asyncio\napplies_to = "everything"\nobserve = []\n\n'
        f"async def condition(state):\n    return {condition}\n\n"
        f"async def action(ftl):\n    {action}\n"
    )
    return str(directory)


def deny(tmp_path: Path, module: str) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(f"rules:\n- decision: deny\n  match: {{module: {module}}}\n  reason: forbidden here\n")
    return str(path)


def iterations(b: Bench):
    with b.database.read() as tx:
        return loop_rows.get_iterations(tx, b.loop_id)


def outcomes(b: Bench) -> list[IterationOutcome | None]:
    return [one.outcome for one in iterations(b)]


def actions(b: Bench) -> list[Action]:
    with b.database.read() as tx:
        return sorted(action_rows.get_actions_for_loop(tx, b.loop_id), key=lambda one: one.id)


def states(b: Bench) -> list[tuple[str, ActionState]]:
    return [(one.module, one.state) for one in actions(b)]


async def crashes_at(b: Bench, monkeypatch, point: StrEnum) -> None:
    """Run until the point is reached and the process ends there."""

    def reach(reached: StrEnum) -> None:
        if reached is point:
            raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(reconcile, "reach", reach)
        with pytest.raises(Crash):
            await b.run()


async def continuous(b: Bench, rests: int) -> None:
    left = [rests]

    def listen(event):
        if event.kind == "loop.rested":
            left[0] -= 1
            if left[0] <= 0:
                b.stop.ask()

    remove = b.database.listen(listen)
    await asyncio.wait_for(b.run(), 60)
    remove()
    b.stop = StopSignal()


def known(b: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hosts and resources of the loop by name."""
    with b.database.read() as tx:
        return (
            {host.name: host for host in host_rows.get_hosts(tx, b.loop_id)},
            {one.name: one.data for one in host_rows.get_resources(tx, b.loop_id)},
        )
