"""Evaluates expectations against observations. Pure.

A failed observation satisfies no expectation, and a path that does not exist satisfies only `absent`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from ftl2_enterprise.core.shorten import shorten
from ftl2_enterprise.protocol.loops.decision import Check, Expectation, Operator

if TYPE_CHECKING:
    from ftl2_enterprise.loops.ports import ObservationResult

MAX_PATTERN = 1_000
"""Maximum length of a pattern, in characters."""
MAX_TEXT = 1_000_000
"""Maximum length of a text that a pattern is searched in, in characters."""
MAX_REACH = (MAX_TEXT, 30_000, 2_000, 300)
"""Maximum characters that a repetition may span, by the number of unbounded repetitions: each multiplies the work."""
_SHOWN = 60

_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:P<\w+>|P=\w+|[a-zA-Z-]*:|[=!]|<[=!]))?|\{\d*,?\d*\}|.", re.DOTALL
)
_CROSSES_LINES = re.compile(r"\\[sSWDn]|\[\^|\(\?[a-zA-Z]*s|\n")
"""Constructs that can match a line break, so that a repetition may span several lines."""
_COUNTED = re.compile(r"\{(?:\d+,?\d*|,\d+)\}")


class _Missing:
    """Type of the value at a path that does not exist."""


_MISSING = _Missing()


def evaluate(expectation: Expectation, results: Mapping[str, Mapping[str, Any]]) -> str | None:
    """One line that describes the difference, or None when the expectation is satisfied.

    `results` are the successful observations of one host, by name; a missing one satisfies no expectation.
    """
    name = expectation.observation
    if name not in results:
        return f"{name} was not observed"
    value = lookup(results[name], expectation.path)
    return compare(value, expectation, label=expectation.path or name)


class Unmet(NamedTuple):
    """The expectations that are not satisfied."""

    lines: list[str]
    """One for each; empty when all are satisfied, on every host that was observed."""
    unknown: list[str]
    """Those of the lines of which the value could not be observed."""


NOTHING_UNMET = Unmet([], [])


def unmet(check: Check, seen: Sequence[ObservationResult]) -> Unmet:
    """The expectations that are not satisfied by what was observed."""
    lines: list[str] = []
    unknown: list[str] = []
    for expectation in check.expect:
        matching = [one for one in seen if one.name == expectation.observation]
        if not matching:
            unknown.append(f"{expectation.observation} was not observed")
            lines.append(unknown[-1])
        for one in matching:
            if not one.success:
                unknown.append(f"{one.name} on {one.host} cannot be observed: {one.error or 'no reason was given'}")
                lines.append(unknown[-1])
            elif (line := evaluate(expectation, {one.name: one.result})) is not None:
                lines.append(f"{one.name} on {one.host}: {line}")
    return Unmet(list(dict.fromkeys(lines)), list(dict.fromkeys(unknown)))


def lookup(value: Any, path: str) -> Any:
    """The value at a dotted path; a number is an index into a list. Keys that contain dots are found, too."""
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
    """One line that describes how the value differs from the expectation, or None when it does not."""
    expected = expectation.value
    if expectation.op is Operator.ABSENT:
        return None if isinstance(value, _Missing) or value is None else f"{label} exists: {show(value)}"
    if isinstance(value, _Missing):
        return f"{label} is missing"
    match expectation.op:
        case Operator.EXISTS:
            return f"{label} is missing" if value is None else None
        case Operator.EQUALS:
            return None if _same(value, expected) else f"{label} is {show(value)}, not {show(expected)}"
        case Operator.NOT_EQUALS:
            return f"{label} is {show(value)}" if _same(value, expected) else None
        case Operator.CONTAINS:
            held = _contains(value, expected)
            return _nothing_in(value, label) if held is None else None if held else _lacks(value, expected, label)
        case Operator.NOT_CONTAINS:
            held = _contains(value, expected)
            return (
                _nothing_in(value, label) if held is None else f"{label} contains {show(expected)}" if held else None
            )
        case Operator.MATCHES:
            return _matches(value, expected, label)
        case Operator.AT_LEAST | Operator.AT_MOST:
            return _bounded(value, expected, label, at_least=expectation.op is Operator.AT_LEAST)


def show(value: Any) -> str:
    """A value as it is quoted in a message: one line of limited length."""
    text = repr(value.rstrip("\n")) if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return shorten(text, _SHOWN)


def _same(value: Any, expected: Any) -> bool:
    """Equality, except that true is not 1 and trailing line breaks of texts are ignored, as in a shell's `$(...)`."""
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    if isinstance(value, str) and isinstance(expected, str):
        return value.rstrip("\r\n") == expected.rstrip("\r\n")
    return bool(value == expected)


def _contains(value: Any, expected: Any) -> bool | None:
    if isinstance(value, str):
        return (expected if isinstance(expected, str) else show(expected)) in value
    if isinstance(value, Mapping):
        return expected in cast("Mapping[Any, Any]", value) if isinstance(expected, str) else False
    if isinstance(value, list):
        return any(_same(item, expected) for item in cast("list[Any]", value))
    return None


def _nothing_in(value: Any, label: str) -> str:
    return f"{label} is {show(value)}, which cannot contain anything"


def _lacks(value: Any, expected: Any, label: str) -> str:
    return f"{label} does not contain {show(expected)}: it is {show(value)}"


def _matches(value: Any, pattern: Any, label: str) -> str | None:
    if not isinstance(pattern, str):
        return f"{label} cannot be matched: the pattern is {show(pattern)}, not a text"
    repetitions = _open_repetitions(pattern)
    if len(pattern) > MAX_PATTERN or repetitions is None:
        return f"{label} cannot be matched: the pattern {show(pattern)} is too long or has nested repetitions"
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
    """How many unbounded repetitions a pattern has; None if one repeats another, or an alternative, as in (a+)+.

    The search for such a pattern may take exponential time, and the observed text is not under our control.
    """
    total = 0
    varied = [False]
    """For each open group, outermost first: whether it contains a repetition or an alternative."""
    closed = False
    """Whether the previous token closed such a group."""
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


def _bounded(value: Any, expected: Any, label: str, *, at_least: bool) -> str | None:
    number, bound = _number(value), _number(expected)
    if number is None or bound is None:
        return f"{label} cannot be compared: {show(value if number is None else expected)} is not a number"
    if number >= bound if at_least else number <= bound:
        return None
    return f"{label} is {show(value)}, {'less' if at_least else 'more'} than {show(expected)}"


def _number(value: Any) -> float | None:
    """A number, or a text that contains one, because the output of a command is always text; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if number != number else number  # noqa: PLR0124 - not a number is not equal to itself
