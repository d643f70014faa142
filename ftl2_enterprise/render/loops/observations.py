"""Observations as lines: what was observed on a host, and by what the call was kept from changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.protocol.loops.nouns import ObservationState
from ftl2_enterprise.render.text import Line, Role, fields_text, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Observation

UNHELPFUL = {"changed", "cmd", "invocation", "rc", "stderr", "start", "end", "delta", "fence"}
"""Fields of a module's result that do not help to understand an observation."""
CHECK_MODE = "check_mode"
FENCES = {CHECK_MODE: "check mode", "sandbox": "read-only sandbox", "none": "without a sandbox"}
"""The words for the values of `Observation.fence`."""


def observation_line(one: Observation, *, indent: int, in_full: bool = False) -> Line:
    """What was observed. `in_full`: with the module, its parameters, and the fence that it had."""
    if in_full:
        what = f"{one.module} on {one.host} {fields_text(one.params)}".rstrip()
        fence = FENCES.get(one.fence or "")
        notes = [one.name, *([fence] if fence else [])]
        label = one_line(f"{what} ({', '.join(notes)})", 200)
    else:
        label = one_line(f"{one.name} on {one.host}", 100)
    text, role = _outcome(one)
    return line((f"{label}: ", Role.FAINT), (one_line(text, 160), role), indent=indent)


def _outcome(one: Observation) -> tuple[str, Role]:
    if one.state is ObservationState.DENIED:
        return f"denied: {one.error or 'no reason was given'}", Role.BAD
    if one.error:
        return one.error, Role.BAD
    if one.state in {ObservationState.RUNNING, ObservationState.UNKNOWN}:
        return str(one.state), Role.WARNING
    return _result_text(one), Role.PLAIN


def _result_text(one: Observation) -> str:
    """The readable part of a module's result: its output, or else its fields."""
    result = one.result.shown
    try:
        fields = msgspec.json.decode(result, type=dict[str, Any])
    except msgspec.MsgspecError:
        # A long result is stored shortened, which is not valid JSON.
        return result
    output = str(fields.get("stdout") or fields.get("msg") or "").strip()
    shown = output or fields_text({name: value for name, value in fields.items() if name not in UNHELPFUL})
    if one.fence != CHECK_MODE or not isinstance(fields.get("changed"), bool):
        return shown
    # Messages of modules are in the past tense, also in check mode, which changes nothing.
    would = "would change" if fields["changed"] else "would not change"
    return f"{would} in check mode" + (f" ({shown})" if shown else "")
