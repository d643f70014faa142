"""The declaration of a command, from which parsing, help, completion and the reference pages follow.

Structs and not dataclasses, and one module per command: `ftl2ctl status` starts as a process for each call, so it
loads only what that command needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.commandline.values import GivenValues

    type Run = Callable[[Any, GivenValues], int]
    """Executes the command with the program's session; returns the exit status. Raises Problem."""
    type Check = Callable[[str, str], Any]
    """From the name of a value, for messages, and the word to the value. Raises Problem(invalid)."""


def _text(shown: str, word: str) -> str:
    del shown
    return word


class ValueKind(msgspec.Struct, frozen=True, kw_only=True):
    """The type of a value: how it is checked, and how it is completed."""

    name: str
    check: Check = _text
    names: str = ""
    """`MODULE:FUNCTION` that lists candidates, imported only when something is completed."""
    is_path: bool = False
    endings: tuple[str, ...] = ()
    """File name endings that are completed; any when empty."""
    is_command: bool = False
    """The name of a command of the same program."""
    is_private: bool = False
    """The history of the shell does not keep it, nor what follows it on the line."""


class Argument(msgspec.Struct, frozen=True):
    """One word after the command's name, or all remaining words."""

    name: str
    kind: ValueKind
    help: str = ""
    optional: bool = False
    rest: bool = False
    """Takes all remaining words and joins them with blanks."""
    many: bool = False
    """Takes all remaining words, each as one value; the value is a list."""
    choices: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The argument in a usage line: `NAME`, `[NAME]`, `[NAME...]`."""
        word = self.name.upper().replace("-", "_") + ("..." if self.rest or self.many else "")
        return f"[{word}]" if self.optional else word


class Option(msgspec.Struct, frozen=True):
    """An option. With a kind it takes a value; without one it is a switch."""

    name: str
    help: str
    kind: ValueKind | None = None
    short: str = ""
    value: str = ""
    """The name of its value in the help."""
    choices: tuple[str, ...] = ()
    many: bool = False
    """May be repeated; the value is a list."""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    default: str = ""
    """Shown in the help only; the service or the command applies it."""
    stays: bool = False
    """With this option, the command runs until the user ends it."""
    reports_outcome: bool = False
    """With this option, the exit status reports the outcome of what the command has started."""

    @property
    def long(self) -> str:
        """The long option, as it is typed."""
        return f"--{self.name}"

    @property
    def shown(self) -> str:
        """The option in a list of options: `-n, --limit NUMBER`."""
        short = f"-{self.short}, " if self.short else ""
        return f"{short}{self.long}{f' {self.metavar}' if self.kind else ''}"

    @property
    def metavar(self) -> str:
        """The name of its value: as declared, else its choices, else its kind."""
        return self.value or (
            "|".join(self.choices) if self.choices else (self.kind.name if self.kind else "").upper()
        )


class Example(msgspec.Struct, frozen=True):
    """A valid command line, and what it does."""

    words: str
    """Without the name of the program."""
    help: str = ""


class HelpGroup(msgspec.Struct, frozen=True):
    """A heading of the help; groups are listed by rank, their commands by name."""

    title: str
    rank: int = 0


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command. Its module is named after it; see `commandline.finder`."""

    summary: str
    group: HelpGroup
    run: Run
    name: str = ""
    """`help`, or two words: `config show`. Filled in from the name of the file."""
    aliases: tuple[str, ...] = ()
    """Filled in from `ALIASES` of the package that contains the file."""
    verbs: tuple[type[Any], ...] = ()
    """The requests that it makes; the first is the one that the command is for."""
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    details: str = ""
    examples: tuple[Example, ...] = ()
    statuses: tuple[str, ...] = ()
    """Exit statuses that only this command has, each as `NUMBER: meaning`."""
    in_shell_only: bool = False
    is_hidden: bool = False
    """No help lists it."""
    ignores_unknown_options: bool = False
    """They are taken as arguments."""
    is_view: bool = False
    """It shows a view that the service can render itself; see decision 10."""
    has_json: bool = True
    reports_outcome: bool = False
    """The exit status reports the outcome of what it follows."""
    works_offline: bool = False
    """The other program has the same command, which does not need the service."""

    @property
    def usage(self) -> str:
        """Name, arguments and `[OPTION...]` on one line."""
        words = [self.name, *(argument.shown for argument in self.arguments)]
        return " ".join([*words, *(["[OPTION...]"] if self.options else [])])


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program with commands."""

    name: str
    purpose: str
    """One sentence."""
    package: str
    """The package that contains one package per capability, with the commands of that capability."""
    options: tuple[Option, ...]
    """Options of every command, accepted before and after its name."""
    has_shell: bool = False
    """Without a command, the program is a shell, in which commands are typed without the name of the program."""


# --- kinds of values -----------------------------------------------------------------------------------------------


def _whole(shown: str, word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise invalid(f"cannot take {word!r} for {shown}", "it must be a whole number") from None


def _positive(shown: str, word: str) -> int:
    number = _whole(shown, word)
    if number < 1:
        raise invalid(f"cannot take {number} for {shown}", "it must be at least 1")
    return number


def _number(shown: str, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        raise invalid(f"cannot take {word!r} for {shown}", "it must be a number") from None
    if number != number or number in {float("inf"), float("-inf")}:  # noqa: PLR0124 - only NaN differs from itself
        raise invalid(f"cannot take {word!r} for {shown}", "it must be a number")
    return number


def not_empty(shown: str, word: str) -> str:
    """A check: the word itself. Raises Problem(invalid) for a blank one."""
    if not word.strip():
        raise invalid(f"cannot take an empty {shown}")
    return word


TEXT = ValueKind(name="text")
NUMBER = ValueKind(name="number", check=_whole)
POSITIVE = ValueKind(name="number", check=_positive)
SECONDS = ValueKind(name="seconds", check=_number)
DOLLARS = ValueKind(name="dollars", check=_number)
PATH = ValueKind(name="path", check=not_empty, is_path=True)
COMMAND_NAME = ValueKind(name="command", is_command=True)

HELP = Option("help", "Show the help of the command.", short="h")


def limit(default: int, help: str = "Maximum number of entries.", *, at_most: int = 1000) -> Option:
    """`--limit`; the command itself applies the same default."""
    return Option("limit", help, NUMBER, short="n", at_least=1, at_most=at_most, default=str(default))
