"""Parses words into the values of arguments and options. Pure; importing argparse takes longer than a whole call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.commandline.finder import nearest
from ftl2_enterprise.commandline.values import GivenValues
from ftl2_enterprise.core.number_limits import Limits, check_limits
from ftl2_enterprise.core.problem import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.commandline.declaration import Argument, Command, Option, Program


def leading_options(program: Program, words: list[str]) -> tuple[GivenValues, list[str]]:
    """The options before the command's name, and the words from it on. Raises Problem(invalid)."""
    values: dict[str, Any] = {}
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        at = _take_option(program, words, at, program.options, values)
    return GivenValues(values), words[at + 1 :] if at < len(words) and words[at] == "--" else words[at:]


def parse(program: Program, command: Command, words: list[str]) -> GivenValues:
    """The values in the words after the command's name. Raises Problem(invalid) that names the wrong word."""
    options = (*command.options, *program.options)
    values: dict[str, Any] = {}
    plain: list[str] = []
    at, is_over = 0, False
    while at < len(words):
        word = words[at]
        is_plain = is_over or not word.startswith("-") or word == "-"
        if is_plain or (command.ignores_unknown_options and option_named(word, options) is None and word != "--"):
            plain.append(word)
            at += 1
        elif word == "--":
            is_over, at = True, at + 1
        else:
            at = _take_option(program, words, at, options, values, command)
    if "help" not in values:
        _take_arguments(command, plain, values)
    return GivenValues(values)


def option_named(word: str, options: Iterable[Option]) -> Option | None:
    """The option that a word names, as `--limit` or `-n`; None when there is none."""
    for option in options:
        if word == option.long or (option.short and word == f"-{option.short}"):
            return option
    return None


def _take_option(
    program: Program,
    words: list[str],
    at: int,
    options: tuple[Option, ...],
    values: dict[str, Any],
    command: Command | None = None,
) -> int:
    """Store the option at that index; returns the index after it and its value."""
    word = words[at]
    name, equals, value = word.partition("=")
    if not word.startswith("--") and len(word) > 2 and not equals:
        # -n20 is -n 20.
        name, equals, value = word[:2], "=", word[2:]
    option = option_named(name, options)
    if option is None:
        raise _unknown_option(program, name, options, command)
    if option.kind is None:
        if equals:
            raise invalid(f"cannot take a value for {option.long}", f"write {option.long} alone")
        values[option.name] = True
        return at + 1
    if not equals:
        if at + 1 >= len(words):
            raise invalid(f"cannot take {name} without a value", f"write {option.long} {option.metavar}")
        value, at = words[at + 1], at + 1
    checked = _checked(option, option.long, value)
    _check_range(option, checked)
    if option.many:
        values.setdefault(option.name, []).append(checked)
    else:
        values[option.name] = checked
    return at + 1


def _unknown_option(program: Program, name: str, options: tuple[Option, ...], command: Command | None) -> Problem:
    close = nearest(name[2:], [option.name for option in options]) if name.startswith("--") else None
    see = f"see `{program.name} help{f' {command.name}' if command else ''}`"
    hint = f"did you mean --{close}? {see}" if close else see
    return invalid(f"cannot understand the option {name} of {command.name if command else program.name}", hint)


def _take_arguments(command: Command, plain: list[str], values: dict[str, Any]) -> None:
    left = list(plain)
    for argument in command.arguments:
        if not left:
            if argument.optional:
                continue
            raise invalid(f"cannot run `{command.name}` without {argument.shown}", f"usage: {command.usage}")
        if argument.many:
            values[argument.name] = [_checked(argument, argument.shown.strip("[]."), word) for word in left]
            left = []
        elif argument.rest:
            values[argument.name] = _checked(argument, argument.shown, " ".join(left))
            left = []
        else:
            values[argument.name] = _checked(argument, argument.shown, left.pop(0))
    if left:
        raise invalid(f"cannot understand {left[0]!r} after {command.name}", f"usage: {command.usage}")


def _checked(what: Argument | Option, shown: str, word: str) -> Any:
    if what.choices and word not in what.choices:
        raise invalid(f"cannot take {word!r} for {shown}", f"one of: {', '.join(what.choices)}")
    return what.kind.check(shown, word) if what.kind else word


def _check_range(option: Option, value: Any) -> None:
    if isinstance(value, int | float):
        check_limits(value, Limits(option.at_least, option.above, option.at_most), option.long)
