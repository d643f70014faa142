"""Whether what was observed is as expected. Pure.

Two rules keep it truthful: a failed observation satisfies nothing, and a path that is not there satisfies only
`absent`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.protocol.loops.decision import Check, Expectation, Operator

if TYPE_CHECKING:
    from ftl2_enterprise.loops.ports import ObservationResult

MAX_PATTERN = 1_000
"""Characters of a pattern."""
MAX_TEXT = 1_000_000
"""Characters that a pattern is searched in."""
MAX_REACH = (MAX_TEXT, 30_000, 2_000, 300)
"""Characters that one repetition may reach over, by the number of open repetitions: each multiplies the work."""
_SHOWN = 60

_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:P<\w+>|P=\w+|[a-zA-Z-]*:|[=!]|<[=!]))?|\{\d*,?\d*\}|.", re.DOTALL
)
_CROSSES_LINES = re.compile(r"\\[sSWDn]|\[\^|\(\?[a-zA-Z]*s|\n")
"""What may match a line break, so that a repetition does not end with the line."""
_COUNTED = re.compile(r"\{(?:\d+,?\d*|,\d+)\}")


class _Missing:
    """What a path leads to when it leads nowhere."""


_MISSING = _Missing()


def evaluate(expectation: Expectation, results: Mapping[str, Mapping[str, Any]]) -> str | None:
    """One line that says what is not as expected, or None when it is.

    `results` are those of successful observations on one host, by name; one that is not there satisfies nothing.
    """
    name = expectation.observation
    if name not in results:
        return f"{name} was not observed"
    value = lookup(results[name], expectation.path)
    return compare(value, expectation, label=expectation.path or name)


def unmet(check: Check, seen: Sequence[ObservationResult]) -> list[str]:
    """What of the check does not hold, one line each; empty when it holds on every host that was observed."""
    lines: list[str] = []
    for expectation in check.expect:
        looks = [one for one in seen if one.name == expectation.observation]
        if not looks:
            lines.append(f"{expectation.observation} was not observed")
        for one in looks:
            if not one.success:
                lines.append(f"{one.name} on {one.host} cannot be observed: {one.error or 'no reason was given'}")
            elif (line := evaluate(expectation, {one.name: one.result})) is not None:
                lines.append(f"{one.name} on {one.host}: {line}")
    return list(dict.fromkeys(lines))


def lookup(value: Any, path: str) -> Any:
    """The value at a dotted path; a number is an index into a list. A key that itself has dots is found too."""
    if not path:
        return value
    if isinstance(value, Mapping):
        found = cast("Mapping[str, Any]", value)
        if path in found:
            return found[path]
        head, dot, rest = path.partition(".")
        while dot:
            if head in found and not isinstance(deeper := lookup(found[head], rest), _Missing):
                return deeper
            more, dot, rest = rest.partition(".")
            head = f"{head}.{more}"
        return _MISSING
    head, _, rest = path.partition(".")
    if isinstance(value, list) and re.fullmatch(r"-?\d{1,9}", head):
        items = cast("list[Any]", value)
        return lookup(items[int(head)], rest) if -len(items) <= int(head) < len(items) else _MISSING
    return _MISSING


def compare(value: Any, expectation: Expectation, *, label: str) -> str | None:  # noqa: PLR0911 - one per operator
    """One line that says how the value differs from what is expected, or None."""
    wanted = expectation.value
    if expectation.op is Operator.ABSENT:
        return None if isinstance(value, _Missing) or value is None else f"{label} is there: {show(value)}"
    if isinstance(value, _Missing):
        return f"{label} is missing"
    match expectation.op:
        case Operator.EXISTS:
            return f"{label} is missing" if value is None else None
        case Operator.EQUALS:
            return None if _same(value, wanted) else f"{label} is {show(value)}, not {show(wanted)}"
        case Operator.NOT_EQUALS:
            return f"{label} is {show(value)}" if _same(value, wanted) else None
        case Operator.CONTAINS:
            held = _contains(value, wanted)
            return _nothing_in(value, label) if held is None else None if held else _lacks(value, wanted, label)
        case Operator.NOT_CONTAINS:
            held = _contains(value, wanted)
            return _nothing_in(value, label) if held is None else f"{label} contains {show(wanted)}" if held else None
        case Operator.MATCHES:
            return _matches(value, wanted, label)
        case Operator.AT_LEAST | Operator.AT_MOST:
            return _bounded(value, wanted, label, at_least=expectation.op is Operator.AT_LEAST)


def show(value: Any) -> str:
    """A value in a sentence: one line, not too long."""
    text = repr(value.rstrip("\n")) if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _same(value: Any, wanted: Any) -> bool:
    """Equality, but true is not 1, and a text's last line breaks do not count (as in a shell's `$(...)`)."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, str) and isinstance(wanted, str):
        return value.rstrip("\r\n") == wanted.rstrip("\r\n")
    return bool(value == wanted)


def _contains(value: Any, wanted: Any) -> bool | None:
    if isinstance(value, str):
        return (wanted if isinstance(wanted, str) else show(wanted)) in value
    if isinstance(value, Mapping):
        return wanted in cast("Mapping[Any, Any]", value) if isinstance(wanted, str) else False
    if isinstance(value, list):
        return any(_same(item, wanted) for item in cast("list[Any]", value))
    return None


def _nothing_in(value: Any, label: str) -> str:
    return f"{label} is {show(value)}, which cannot contain anything"


def _lacks(value: Any, wanted: Any, label: str) -> str:
    return f"{label} does not contain {show(wanted)}: it is {show(value)}"


def _matches(value: Any, pattern: Any, label: str) -> str | None:
    if not isinstance(pattern, str):
        return f"{label} cannot be matched: the pattern is {show(pattern)}, not a text"
    repetitions = _open_repetitions(pattern)
    if len(pattern) > MAX_PATTERN or repetitions is None:
        return f"{label} cannot be matched: the pattern {show(pattern)} is too long or repeats a repetition or choice"
    subject = value if isinstance(value, str) else show(value)
    limit = MAX_REACH[min(repetitions, len(MAX_REACH) - 1)]
    reach = len(subject) if _CROSSES_LINES.search(pattern) else max(map(len, subject.split("\n")))
    if reach > limit or len(subject) > MAX_TEXT:
        return (
            f"{label} cannot be matched: it has {len(subject)} characters, too many for the pattern {show(pattern)}"
        )
    try:
        found = re.search(pattern, subject)
    except (re.error, RecursionError, OverflowError) as error:
        return f"{label} cannot be matched: the pattern {show(pattern)} is not a regular expression ({error})"
    return None if found else f"{label} does not match {show(pattern)}: it is {show(value)}"


def _open_repetitions(pattern: str) -> int | None:
    """How many repetitions without a limit a pattern has; None if one repeats another, or a choice, as in (a+)+.

    Such a pattern takes for ever on the right text, and what is observed is not ours to choose.
    """
    total = 0
    varied = [False]
    """For each open group, outermost first: whether it has a repetition or a choice in it."""
    closed = False
    """Whether the token before this one closed a group that has."""
    for token in _TOKEN.findall(pattern):
        repeats = token in {"*", "+"} or bool(_COUNTED.fullmatch(token))
        if repeats and closed:
            return None
        closed = False
        if token.startswith("("):
            varied.append(False)
        elif token == ")" and len(varied) > 1:
            closed = varied.pop()
            varied[-1] |= closed
        elif repeats or token in {"|", "?"}:
            varied[-1] = True
        total += token in {"*", "+"} or (repeats and token.endswith(",}"))
    return total


def _bounded(value: Any, wanted: Any, label: str, *, at_least: bool) -> str | None:
    number, bound = _number(value), _number(wanted)
    if number is None or bound is None:
        return f"{label} cannot be compared: {show(value if number is None else wanted)} is not a number"
    if number >= bound if at_least else number <= bound:
        return None
    return f"{label} is {show(value)}, {'less' if at_least else 'more'} than {show(wanted)}"


def _number(value: Any) -> float | None:
    """Numbers, and texts that are one: what a command prints is always a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if number != number else number  # noqa: PLR0124 - not a number is not equal to itself
