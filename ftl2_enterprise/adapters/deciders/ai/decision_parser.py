"""Parses a model's answer into a decision, or lists its faults. Pure."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.adapters.deciders.ai.schema import STATE_OPS
from ftl2_enterprise.protocol.loops.decision import (
    ActionSpec,
    Ask,
    Check,
    Decision,
    ObservationSpec,
    Operator,
    StateOp,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftl2_enterprise.adapters.models.port import ModelReply

MAX_TEXT = 4_000_000
"""Maximum length of an answer, in characters."""

MAX_DEPTH = 30
"""Maximum nesting of containers: redaction, storage and modules process them recursively."""

MAX_STARTS = 500
"""Maximum positions in a text that are tried as the start of an object."""


class MalformedDecision(Exception):
    """The answer is not a valid decision; each of `faults` is one line that the model can act on."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults: list[str] = list(faults)


def decision_in(reply: ModelReply) -> Decision:
    """The decision in a reply: its structured value, or else the JSON object in its text.

    Raises MalformedDecision.
    """
    if reply.value is not None:
        return validated(reply.value)
    if not reply.text.strip():
        raise MalformedDecision(["the answer is empty"])
    if len(reply.text) > MAX_TEXT:
        raise MalformedDecision([f"the answer has {len(reply.text):,} characters; the limit is {MAX_TEXT:,}"])
    if whole := list(_whole(reply.text)):
        return validated(whole[0])
    first: MalformedDecision | None = None
    for objects in (_fenced(reply.text), _embedded(reply.text)):
        valid: list[Decision] = []
        for value in objects:
            try:
                valid.append(validated(value))
            except MalformedDecision as fault:
                first = first or fault
        if valid:
            # The first of two could be an example that precedes the answer.
            if any(other != valid[0] for other in valid[1:]):
                raise MalformedDecision(
                    ["the answer contains several different decisions; give exactly one JSON object"]
                )
            return valid[0]
    raise first or MalformedDecision(["the answer contains no complete JSON object"])


# --- where JSON may stand ------------------------------------------------------------------------------------------


def _whole(text: str) -> Iterator[Any]:
    try:
        yield _decoder().decode(text.strip().removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return


_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)


def _fenced(text: str) -> Iterator[Any]:
    for block in _FENCE.finditer(text):
        yield from (value for value in _whole(block[1]) if isinstance(value, dict))


_OBJECT = re.compile(r'\{(?=\s*["}])')


def _embedded(text: str) -> Iterator[Any]:
    """The outermost objects in prose: an object inside a truncated one is not an answer."""
    decoder = _decoder()
    position = 0
    for _ in range(MAX_STARTS):
        if (start := _OBJECT.search(text, position)) is None:
            return
        try:
            value, position = decoder.raw_decode(text, start.start())
        except json.JSONDecodeError as error:
            position = max(start.end(), error.pos)
        except (ValueError, RecursionError):
            return
        else:
            yield value


def _decoder() -> json.JSONDecoder:
    # Line breaks inside a text are a frequent, harmless mistake; repeated keys and NaN are ambiguous.
    return json.JSONDecoder(strict=False, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is given twice")
    return result


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


# --- what a decision has to be -------------------------------------------------------------------------------------


def validated(value: Any) -> Decision:
    """The value as a decision. Raises MalformedDecision."""
    if not isinstance(value, dict):
        raise MalformedDecision([f"the answer has to be a JSON object, not {_kind(value)}"])
    if faults := list(_unstorable(value)):
        raise MalformedDecision(faults)
    try:
        decision = msgspec.convert(value, Decision, strict=True)
        msgspec.json.encode(decision).decode()
    except (msgspec.ValidationError, RecursionError) as error:
        raise MalformedDecision([f"the answer does not fit the schema: {error}"]) from error
    except (ValueError, OverflowError) as error:
        raise MalformedDecision([f"the answer contains a value that cannot be stored: {error}"]) from error
    if faults := list(_faults(decision)):
        raise MalformedDecision(faults)
    # A check describes the converged state; in any other decision it would describe a state that is not reached yet.
    return decision if decision.converged else msgspec.structs.replace(decision, check=None)


def _unstorable(value: Any) -> Iterator[str]:
    """Faults of values that would change when they are stored or sent to a module."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if any(isinstance(inner, int) and abs(inner) >= 2**63 for inner in level):
            yield "the answer contains a number that does not fit into 64 bits; write it as a text"
            return
    if level:
        yield f"the answer is nested more than {MAX_DEPTH} deep"


def _inside(value: Any) -> Iterable[Any]:
    match value:
        case dict():
            return cast("dict[str, Any]", value).values()
        case list():
            return cast("list[Any]", value)
        case _:
            return ()


def unasked(decision: Decision) -> MalformedDecision | None:
    """The fault of a decision that lacks a required question, or None."""
    if decision.ask is not None or decision.blocked is not None or decision.converged:
        return None
    return MalformedDecision(["too many iterations failed: the answer has to be a question (`ask`), without actions"])


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "a number")


def _faults(decision: Decision) -> Iterator[str]:
    given = [name for name in ("blocked", "ask") if getattr(decision, name) is not None]
    given += [name for name in ("converged", "actions") if getattr(decision, name)]
    if len(given) > 1:
        yield f"{' and '.join(given)} are given together; they exclude each other"
    if not given and not decision.observe and not decision.state_ops:
        yield "nothing is decided: give one of converged, blocked, ask, actions, observe or state_ops"
    if decision.blocked is not None and not decision.blocked.strip():
        yield "blocked has to give the reason"
    if decision.left_out:
        yield "left_out is for manifests; omit it"
    if decision.converged and decision.unmet:
        yield "converged is true although `unmet` lists what is not as desired"
    for n, action in enumerate(decision.actions):
        yield from _call_faults(f"actions[{n}]", action)
        if action.step is not None or action.part:
            yield f"actions[{n}]: step and part are for manifests; omit them"
    yield from _observation_faults("observe", decision.observe)
    for n, op in enumerate(decision.state_ops):
        yield from _op_faults(f"state_ops[{n}]", op)
    if decision.ask is not None:
        yield from _ask_faults(decision.ask)
    if decision.check is not None and decision.converged:
        yield from _check_faults(decision.check)


def _call_faults(where: str, call: ActionSpec | ObservationSpec) -> Iterator[str]:
    if not call.module.strip():
        yield f"{where}: module is empty"
    if call.host is not None and not call.host.strip():
        yield f"{where}: host is empty; omit it for the machine that the loop runs on"


def _observation_faults(where: str, specs: Sequence[ObservationSpec]) -> Iterator[str]:
    seen: dict[str, ObservationSpec] = {}
    for n, spec in enumerate(specs):
        yield from _call_faults(f"{where}[{n}]", spec)
        if not spec.name.strip():
            yield f"{where}[{n}]: name is empty"
        elif seen.setdefault(spec.name, spec) != spec:
            yield f"{where}[{n}]: the name {spec.name!r} is used twice; the later one would hide the earlier"


def _op_faults(where: str, op: StateOp) -> Iterator[str]:
    if op.op not in STATE_OPS:
        yield f"{where}: op is {op.op!r}; it has to be one of {', '.join(STATE_OPS)}"
    if not op.name.strip():
        yield f"{where}: name is empty"
    if op.ansible_port is not None and not 0 < op.ansible_port < 65_536:
        yield f"{where}: ansible_port is {op.ansible_port}"


def _ask_faults(ask: Ask) -> Iterator[str]:
    if not ask.question.strip():
        yield "ask: the question is empty"
    if ask.secret:
        yield "ask: you cannot ask for a secret; if one is missing, give that as the reason why it is blocked"
    if any(not option.strip() for option in ask.options):
        yield "ask: an option is empty"
    if len(set(ask.options)) != len(ask.options):
        yield "ask: an option is given twice"
    if ask.options and ask.default is not None and ask.default not in ask.options:
        yield "ask: the default is none of the options"


def _check_faults(check: Check) -> Iterator[str]:
    yield from _observation_faults("check.observe", check.observe)
    if not check.observe or not check.expect:
        yield "check: it needs at least one observation and one expectation"
    names = {spec.name for spec in check.observe}
    for n, expectation in enumerate(check.expect):
        where = f"check.expect[{n}]"
        if expectation.observation not in names:
            yield f"{where}: {expectation.observation!r} is not in check.observe"
        match expectation.op:
            case Operator.MATCHES:
                yield from _pattern_faults(where, expectation.value)
            case Operator.AT_LEAST | Operator.AT_MOST:
                if isinstance(expectation.value, bool) or not isinstance(expectation.value, int | float):
                    yield f"{where}: {expectation.op} needs a number as value"
            case _:
                pass


def _pattern_faults(where: str, pattern: Any) -> Iterator[str]:
    if not isinstance(pattern, str):
        yield f"{where}: matches needs a regular expression as value"
        return
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        yield f"{where}: {pattern!r} is not a regular expression: {error}"
