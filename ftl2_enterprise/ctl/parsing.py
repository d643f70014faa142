"""Words into the values of a command's arguments and flags. Pure; argparse alone takes longer than a whole answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.ctl.registry import GLOBAL_FLAGS, PROGRAM, Argument, Command, Flag, Kind, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable


class Given(msgspec.Struct, frozen=True):
    """What was typed behind a command's name, checked."""

    values: dict[str, Any] = {}

    def has(self, name: str) -> bool:
        """Whether the flag or argument was given."""
        return name in self.values

    def text(self, name: str) -> str:
        """An argument that must be there."""
        return str(self.values[name])

    def maybe(self, name: str) -> str | None:
        """A text that may be missing."""
        value = self.values.get(name)
        return None if value is None else str(value)

    def number(self, name: str, default: int) -> int:
        """A whole number."""
        return int(self.values.get(name, default))

    def maybe_number(self, name: str) -> int | None:
        """A whole number that may be missing."""
        value = self.values.get(name)
        return None if value is None else int(value)

    def maybe_float(self, name: str) -> float | None:
        """A number that may be missing."""
        value = self.values.get(name)
        return None if value is None else float(value)

    def many(self, name: str) -> list[str]:
        """The values of a flag that may be repeated."""
        return list(self.values.get(name, []))


def global_flags(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """The flags before the command's name, and the words from it on. Raises Problem(invalid)."""
    values: dict[str, Any] = {}
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        at = _take_flag(words, at, GLOBAL_FLAGS, values, PROGRAM)
    return values, words[at + 1 :] if at < len(words) and words[at] == "--" else words[at:]


def parse(command: Command, words: list[str]) -> Given:
    """The values. Raises Problem(invalid) that names the word."""
    flags = (*command.flags, *GLOBAL_FLAGS)
    values: dict[str, Any] = {}
    plain: list[str] = []
    at, is_over = 0, False
    while at < len(words):
        word = words[at]
        if is_over or not word.startswith("-") or word == "-":
            plain.append(word)
            at += 1
        elif word == "--":
            is_over, at = True, at + 1
        else:
            at = _take_flag(words, at, flags, values, command.name)
    if "help" not in values:
        _take_arguments(command, plain, values)
    return Given(values)


def flag_named(word: str, flags: Iterable[Flag]) -> Flag | None:
    """The flag that a word names, `--name` or `-n`."""
    for flag in flags:
        if word == flag.option or (flag.short and word == f"-{flag.short}"):
            return flag
    return None


def _take_flag(words: list[str], at: int, flags: tuple[Flag, ...], values: dict[str, Any], where: str) -> int:
    """Take the flag at that place; the place behind it."""
    word = words[at]
    name, equals, value = word.partition("=")
    if not word.startswith("--") and len(word) > 2 and not equals:
        # -n20 is -n 20.
        name, equals, value = word[:2], "=", word[2:]
    flag = flag_named(name, flags)
    if flag is None:
        raise _unknown_flag(name, flags, where)
    if flag.kind is None:
        if equals:
            raise invalid(f"cannot take a value for {flag.option}", f"write {flag.option} alone")
        values[flag.name] = True
        return at + 1
    if not equals:
        if at + 1 >= len(words):
            raise invalid(f"cannot take {name} without a value", f"write {flag.option} {flag.metavar}")
        value, at = words[at + 1], at + 1
    checked = _checked(flag.option, flag.kind, value, flag.choices)
    _check_range(flag, checked)
    if flag.many:
        values.setdefault(flag.name, []).append(checked)
    else:
        values[flag.name] = checked
    return at + 1


def _unknown_flag(name: str, flags: tuple[Flag, ...], where: str) -> Problem:
    close = nearest(name[2:], [flag.name for flag in flags]) if name.startswith("--") else None
    see = f"see `{PROGRAM} --help`" if where == PROGRAM else f"see `{PROGRAM} help {where}`"
    hint = f"did you mean --{close}? {see}" if close else see
    return invalid(f"cannot understand the option {name} of {where}", hint)


def _take_arguments(command: Command, plain: list[str], values: dict[str, Any]) -> None:
    left = list(plain)
    for argument in command.arguments:
        if not left:
            if argument.optional:
                continue
            raise invalid(f"cannot {_doing(command)} without {argument.shown}", f"usage: {command.usage}")
        if argument.many:
            values[argument.name] = [
                _checked(argument.shown.strip("[]."), argument.kind, word, argument.choices) for word in left
            ]
            left = []
        elif argument.rest:
            values[argument.name] = _checked(argument.shown, argument.kind, " ".join(left), argument.choices)
            left = []
        else:
            values[argument.name] = _checked(argument.shown, argument.kind, left.pop(0), argument.choices)
    if left:
        raise invalid(f"cannot understand {left[0]!r} behind {command.name}", f"usage: {command.usage}")


def _doing(command: Command) -> str:
    return f"run `{command.name}`"


def _checked(shown: str, kind: Kind, value: str, choices: tuple[str, ...]) -> Any:
    match kind:
        case Kind.NUMBER:
            return _whole(shown, value)
        case Kind.PROMPT:
            # People copy `#3` as well as `3`.
            return _whole(shown, value.removeprefix("#"))
        case Kind.SECONDS | Kind.DOLLARS:
            return _float(shown, value)
        case Kind.CHOICE if value not in choices:
            raise invalid(f"cannot take {value!r} for {shown}", f"one of: {', '.join(choices)}")
        case Kind.NAME if not value.strip():
            raise invalid(f"cannot take an empty {shown}", "leave it out, and a name is made")
        case Kind.LOOP | Kind.RULE | Kind.DIGEST | Kind.PATH if not value.strip():
            raise invalid(f"cannot take an empty {shown}")
        case _:
            return value


def _whole(shown: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise invalid(f"cannot take {value!r} for {shown}", "it is a whole number") from None


def _float(shown: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise invalid(f"cannot take {value!r} for {shown}", "it is a number") from None
    if number != number or number in {float("inf"), float("-inf")}:  # noqa: PLR0124 - only NaN differs from itself
        raise invalid(f"cannot take {value!r} for {shown}", "it is a number")
    return number


def _check_range(flag: Flag, value: Any) -> None:
    if not isinstance(value, int | float):
        return
    if flag.at_least is not None and value < flag.at_least:
        raise invalid(f"cannot take {value} for {flag.option}", f"it is at least {flag.at_least:g}")
    if flag.above is not None and value <= flag.above:
        raise invalid(f"cannot take {value} for {flag.option}", f"it is more than {flag.above:g}")
    if flag.at_most is not None and value > flag.at_most:
        raise invalid(f"cannot take {value} for {flag.option}", f"it is at most {flag.at_most:g}")


def missing(argument: Argument) -> Problem:
    """That an argument is needed here though it is optional elsewhere."""
    return invalid(f"cannot go on without {argument.shown.strip('[]')}")
