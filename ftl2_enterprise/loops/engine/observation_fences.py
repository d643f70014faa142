"""The fence of each observation: which one it needs, and what happens on a host that cannot build it.

A model's command runs in the read-only sandbox, always. A check that a person wrote runs as it is written, since it
may need what the sandbox hides (the bus of systemd, files in /tmp); in a dry run it runs in the sandbox, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.gate.effects import Fence, Origin
from ftl2_enterprise.gate.modules import fence_for, name_with_options
from ftl2_enterprise.gate.verdicts import Ruling
from ftl2_enterprise.loops.ports import ModuleResult

if TYPE_CHECKING:
    from ftl2_enterprise.loops.engine.calls import JudgedCall
    from ftl2_enterprise.loops.engine.context import LoopContext

_CONTENTS = frozenset({"content", "prepared", "current", "previous"})
"""Fields of results with what a file, a package manager or debconf has."""
_SIDES = frozenset({"before", "after"})
_ATTRIBUTES = frozenset({"attributes", "gid", "group", "mode", "owner", "path", "size", "state", "uid"})
"""What a side of a difference may show."""
NO_CONTENTS = "an observation of a model in check mode shows no contents"
"""What is in their place."""
NOT_KNOWN = "not known in a dry run"
"""Beginning of the error of a person's command that failed in the sandbox, which may be the reason."""


def fence_of(origin: Origin, module: str, params: Mapping[str, Any], *, fences_checks: bool) -> Fence | None:
    """The fence with which an observation runs; None if the module cannot observe.

    `fences_checks`: whether the checks of a person run in the sandbox, too, as in a dry run.
    """
    fence = fence_for(module, params)
    if fence is not Fence.SANDBOX or origin is Origin.MODEL or fences_checks:
        return fence
    return Fence.NONE


def not_an_observation(module: str, params: Mapping[str, Any]) -> str:
    """The sentence about a call that cannot observe."""
    named = name_with_options(module, params)
    if named is not None:
        return f"cannot observe the {named[0]} {named[1]}: a name has no quotes, no blanks and no leading dash"
    return (
        f"cannot observe with {module}: it may change the host, and has no check mode;"
        " use a built-in observation (unit, path, packages, ...) or a command"
    )


async def run_fenced(engine: LoopContext, judged: JudgedCall) -> ModuleResult:
    """Run an observation with its fence, or without if the host cannot build the sandbox and the gate allows it."""
    requested = judged.requested
    result = await engine.run(requested, judged)
    if requested.origin is Origin.MODEL and requested.fence is Fence.CHECK_MODE:
        # A rule about what a model may read is one about modules that read.
        return msgspec.structs.replace(result, output=_without_contents(result.output))
    if result.cannot_fence is not None:
        unfenced = msgspec.structs.replace(requested, fence=Fence.NONE)
        verdict = engine.judge(unfenced)
        if verdict.ruling is not Ruling.ALLOW:
            why = f"{verdict.reason} (the host cannot build the sandbox: {result.cannot_fence})"
            return ModuleResult(success=False, held=True, denied=verdict.ruling is Ruling.DENY, error=why)
        return await engine.run(unfenced)
    if (
        requested.fence is Fence.SANDBOX
        and requested.origin is not Origin.MODEL
        and not result.success
        and not result.held
    ):
        why = result.error or "no reason was given"
        hint = "it ran in the read-only sandbox, and runs as it is written with --run-checks"
        return ModuleResult(
            success=False, error=f"{NOT_KNOWN}: {why}; {hint}", stderr=result.stderr, fenced=result.fenced
        )
    return result


def _without_contents(result: Any) -> Any:
    """What a module in check mode reports, without the contents before and after the change."""
    match result:
        case Mapping():
            named = cast("Mapping[str, Any]", result)
            return {key: _field_without_contents(key, one) for key, one in named.items()}
        case list() | tuple():
            return [_without_contents(one) for one in cast("list[Any]", result)]
        case _:
            return result


def _field_without_contents(key: str, value: Any) -> Any:
    if key in _SIDES and isinstance(value, Mapping):
        side = cast("Mapping[str, Any]", value)
        return {name: one if name in _ATTRIBUTES else NO_CONTENTS for name, one in side.items()}
    return NO_CONTENTS if key in _CONTENTS or key in _SIDES else _without_contents(value)
