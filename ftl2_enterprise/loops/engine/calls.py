"""Calls as they are asked for, and resolving their paths on the host before the last verdict about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.value import Value
from ftl2_enterprise.gate.effects import EffectKind, Fence
from ftl2_enterprise.loops.ports import RESOLVE_PATHS, ModuleResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.gate.effects import Effect, Origin
    from ftl2_enterprise.gate.judge import GateContext
    from ftl2_enterprise.gate.verdicts import Verdict


class RequestedCall(Value, frozen=True, kw_only=True):
    """A module call on one host, as a decision, a rule or a check asks for it."""

    kind: EffectKind
    origin: Origin
    module: str
    params: dict[str, Any]
    """Without bound secrets."""
    host: str
    timeout: float
    """Seconds."""
    fence: Fence = Fence.NONE
    compare: bool = False
    """See `ModuleCall`."""


class JudgedCall(Value, frozen=True, kw_only=True):
    """A call with the verdict about it."""

    requested: RequestedCall
    effect: Effect
    verdict: Verdict
    """With the permit, if it is allowed; the reason is not redacted."""
    gate: GateContext
    """What the verdict depended on besides the effect."""


def resolving_call(requested: RequestedCall, paths: Sequence[str], *, limit: float) -> RequestedCall:
    """The observation that finds out where paths lead on the host of a call, within so many seconds."""
    return msgspec.structs.replace(
        requested,
        kind=EffectKind.OBSERVATION,
        module=RESOLVE_PATHS,
        params={"paths": list(paths)},
        timeout=min(requested.timeout, limit),
        compare=False,
        fence=Fence.READING,
    )


def places_of(
    result: ModuleResult, paths: Sequence[str], requested: RequestedCall
) -> Mapping[str, tuple[str, ...]] | ModuleResult:
    """Where the paths lead; the result of the requested call, which is not made then, if that was not found out."""
    if not result.success:
        why = f"cannot resolve paths on {requested.host} for a policy rule: {result.error or 'it failed'}"
        return msgspec.structs.replace(result, error=why)
    # This result is not redacted, so a path that is missing was not resolved.
    found: Mapping[str, Sequence[str]] = result.output.get("resolved") or {}
    if not found.keys() >= set(paths):
        why = f"cannot resolve paths on {requested.host} for a policy rule: its reply does not have all of them"
        return ModuleResult(success=False, error=why)
    return {path: tuple(places) for path, places in found.items()}
