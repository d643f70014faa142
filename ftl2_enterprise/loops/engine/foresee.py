"""What proposed actions would change, found out by their modules in check mode, which is an observation.

For a dry run and for people who are asked to approve. What cannot be found out is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.core.secret_references import refers
from ftl2_enterprise.gate.effects import EffectKind, Fence
from ftl2_enterprise.gate.modules import canonical, fence_for
from ftl2_enterprise.loops import change_text
from ftl2_enterprise.loops.engine.calls import RequestedCall
from ftl2_enterprise.loops.engine.context import Held, LoopContext, run_concurrently, unless
from ftl2_enterprise.loops.engine.execute import origin_of
from ftl2_enterprise.loops.lifecycle import ActionEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.loops.engine.execute import JudgedAction
    from ftl2_enterprise.loops.units.actions import NewAction

COMPARED = frozenset({"copy", "template", "file"})
"""Modules whose changes are compared."""
MOST = 400_000
"""Characters of all texts of one decision, which are sent and stored together; but LEAST of each."""
LEAST = 500


async def rows(engine: LoopContext, judged: Sequence[JudgedAction]) -> list[NewAction]:
    """The rows of the actions; those that are only shown have what they would change.

    Raises Held when a freeze holds the comparison.
    """
    return await _unless_held(engine, judged, ActionEvent.PREVIEWED)


async def previewed(
    engine: LoopContext,
    planned: Sequence[NewAction],
    params: Sequence[dict[str, Any]],
) -> list[NewAction]:
    """The rows with what those that are only shown would change; `params` are those of each, not redacted."""
    return await _compared(engine, planned, params, ActionEvent.PREVIEWED, [])


async def to_approve(engine: LoopContext, judged: Sequence[JudgedAction]) -> list[NewAction]:
    """The rows of the actions; those that would run have what they would change. Raises Held."""
    return await _unless_held(engine, judged, None)


async def _unless_held(
    engine: LoopContext, judged: Sequence[JudgedAction], event: ActionEvent | None
) -> list[NewAction]:
    held: list[Held] = []
    found = await _compared(engine, [one.row for one in judged], [one.params for one in judged], event, held)
    if held:
        raise held[0]
    return found


async def _compared(
    engine: LoopContext,
    planned: Sequence[NewAction],
    params: Sequence[dict[str, Any]],
    event: ActionEvent | None,
    held: list[Held],
) -> list[NewAction]:
    if not any(_is_compared(row, event) for row in planned):
        return list(planned)
    turns = asyncio.Semaphore(engine.limits.parallel_hosts)

    async def compare(row: NewAction, own: dict[str, Any]) -> NewAction:
        if not _is_compared(row, event):
            return row
        async with turns:
            return msgspec.structs.replace(row, diff=await _diff(engine, row, own, held))

    work = run_concurrently(compare(row, own) for row, own in zip(planned, params, strict=True))
    found = await unless(engine.stop.now.wait(), work)
    if found is not None:
        limit = max(LEAST, MOST // sum(bool(row.diff) for row in found))
        return [msgspec.structs.replace(row, diff=change_text.limited(row.diff, limit)) for row in found]
    return [
        msgspec.structs.replace(row, diff=_not_compared("stopped")) if _is_compared(row, event) else row
        for row in planned
    ]


def _is_compared(row: NewAction, event: ActionEvent | None) -> bool:
    return row.event is event and canonical(row.module) in COMPARED


async def _diff(engine: LoopContext, row: NewAction, params: dict[str, Any], held: list[Held]) -> str:
    if engine.spec.dry_run and engine.modules.identity(row.host).is_registered:
        return _not_compared("a dry run does not connect to a host that it would register")
    if fence_for(row.module, params) is not Fence.CHECK_MODE:
        return _not_compared("these parameters have no check mode")
    requested = RequestedCall(
        kind=EffectKind.OBSERVATION,
        origin=origin_of(engine, row.origin),
        module=row.module,
        params=params,
        host=row.host,
        timeout=min(engine.spec.action_timeout, engine.limits.observation_timeout),
        fence=Fence.CHECK_MODE,
        compare=True,
    )
    result = await engine.run(requested)
    if result.frozen is not None:
        held.append(Held(result.frozen))
    if not result.success:
        return _not_compared(engine.redactor.text(result.error or "no reason was given"))
    output = {**result.output, "changed": result.changed}
    if refers(params):
        output["diff"] = _without_contents(output.get("diff"))
    # Comparing long texts takes up to a second, in which the loop's process has to answer.
    return await asyncio.to_thread(change_text.text_of, output, params, engine.redactor.text)


def _without_contents(diff: Any) -> Any:
    """The same without the texts of both sides: the file may have an older secret, which is not known any more."""
    if not isinstance(diff, Mapping):
        return diff
    sides = cast("Mapping[str, Any]", diff)
    return {key: _hidden(side) for key, side in sides.items()}


def _hidden(side: Any) -> Any:
    hidden = {"size": None, "hidden": "it has a secret"}
    return {**cast("Mapping[str, Any]", side), **hidden} if isinstance(side, Mapping) else side


def _not_compared(why: str) -> str:
    return f"not known what it would change: {why}"
