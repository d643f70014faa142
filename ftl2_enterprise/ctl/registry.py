"""What a command is: one declaration, from which parsing, help, completion and the reference follow.

Structs and not dataclasses, and one module for each family of commands: `ftl2ctl status` as a process is to be over
before anybody notices, so it loads what it needs and no more.
"""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ftl2_enterprise.core import interrupt
from ftl2_enterprise.core.problem import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session

    type Run = Callable[[Session, Given], int]

PROGRAM = "ftl2ctl"


class Kind(StrEnum):
    """What a value is, so that it can be checked and completed."""

    LOOP = "loop"
    PROMPT = "prompt"
    RULE = "rule"
    DIGEST = "digest"
    PATH = "path"
    CHOICE = "choice"
    NUMBER = "number"
    SECONDS = "seconds"
    DOLLARS = "dollars"
    ANSWER = "answer"
    TEXT = "text"
    NAME = "name"
    COMMAND = "command"
    SETTING = "setting"
    WISH = "wish"
    """A sentence, or the name of a manifest."""


class Argument(msgspec.Struct, frozen=True):
    """One word, or the rest of the words, behind a command's name."""

    name: str
    kind: Kind
    help: str = ""
    optional: bool = False
    rest: bool = False
    """Takes all words that are left, and is what they say together."""
    many: bool = False
    """Takes all words that are left, each for itself; the value is a list."""
    choices: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """As a usage line has it."""
        word = self.name.upper().replace("-", "_") + ("..." if self.rest or self.many else "")
        return f"[{word}]" if self.optional else word


class Flag(msgspec.Struct, frozen=True):
    """An option; with a kind it takes a value."""

    name: str
    help: str
    kind: Kind | None = None
    short: str = ""
    value: str = ""
    """What the value is called in the help."""
    choices: tuple[str, ...] = ()
    many: bool = False
    """May be given more than once; the value is a list."""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    default: str = ""
    """As the help tells it; what counts is what the service or the command does."""
    stays: bool = False
    """With it the command goes on until somebody leaves it."""

    @property
    def option(self) -> str:
        """As it is typed."""
        return f"--{self.name}"

    @property
    def shown(self) -> str:
        """As a list of options has it."""
        short = f"-{self.short}, " if self.short else ""
        return f"{short}{self.option}{f' {self.metavar}' if self.kind else ''}"

    @property
    def metavar(self) -> str:
        """The name of its value."""
        return self.value or ("|".join(self.choices) if self.choices else (self.kind or "").upper())


class Example(msgspec.Struct, frozen=True):
    """A command line that works, and what it does."""

    words: str
    """Without the program."""
    help: str = ""


class Group(StrEnum):
    """Under which heading the help lists a command."""

    LOOPS = "Loops"
    PROMPTS = "Prompts"
    RULES = "Rules"
    RECORD = "What was done"
    SERVICE = "The service"
    SHELL = "This program"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command."""

    name: str
    """One word, or two: `rules show`."""
    summary: str
    group: Group
    run: Run
    """Does it; returns the exit status. Raises Problem."""
    verbs: tuple[type[Any], ...] = ()
    """The requests that it makes; the first is the one that it is for."""
    aliases: tuple[str, ...] = ()
    arguments: tuple[Argument, ...] = ()
    flags: tuple[Flag, ...] = ()
    details: str = ""
    examples: tuple[Example, ...] = ()
    statuses: tuple[str, ...] = ()
    """Exit statuses that only this command has, as the help tells them."""
    in_shell_only: bool = False
    is_view: bool = False
    """It asks for little that is only read, and shows it; the service may render it."""
    has_json: bool = True

    @property
    def usage(self) -> str:
        """Name, arguments and flags on one line."""
        words = [self.name, *(argument.shown for argument in self.arguments)]
        return " ".join([*words, *(["[OPTION...]"] if self.flags else [])])


JSON = Flag("json", "Print JSON: one document, or one in each line when more is to come.")
SOCKET = Flag("socket", "Where the service listens.", Kind.PATH, value="PATH")
TIMEOUT = Flag(
    "timeout", "How long an answer of the service may take.", Kind.SECONDS, above=0, at_most=86_400, default="30"
)
HELP = Flag("help", "Show how the command is used.", short="h")
GLOBAL_FLAGS = (JSON, SOCKET, TIMEOUT, HELP)
"""Understood with every command, before and behind its name."""

LOOP = Argument("loop", Kind.LOOP, "Name, beginning of a name, or id.")
LOOPS = Argument("loop", Kind.LOOP, "Name, beginning of a name, or id; of each loop.", optional=True, many=True)
WHOLE_LOOP = Argument("loop", Kind.LOOP, "The whole name, or the id: it cannot be undone.")
OF_LOOP = Argument("loop", Kind.LOOP, "Of this loop only.", optional=True)


def limit(default: int, help: str = "How many.") -> Flag:
    """How many entries of a list are shown; the command itself has to take the same default."""
    return Flag("limit", help, Kind.NUMBER, short="n", at_least=1, at_most=1000, default=str(default))


MODULES: dict[str, str] = {
    "submit": "submit",
    "status": "status",
    "list": "status",
    "show": "show",
    "start": "steering",
    "pause": "steering",
    "resume": "steering",
    "stop": "steering",
    "cancel": "steering",
    "retry": "steering",
    "run-now": "steering",
    "delete": "delete",
    "watch": "watch",
    "prompts": "prompts",
    "answer": "answer",
    "dismiss": "answer",
    "rules": "rules",
    "history": "history",
    "actions": "actions",
    "output": "actions",
    "hosts": "known",
    "resources": "known",
    "events": "events",
    "logs": "logs",
    "health": "service",
    "settings": "service",
    "reload": "service",
    "shutdown": "service",
    "upgrade": "service",
    "version": "service",
    "help": "help",
    "completion": "completion",
    "clear": "exit",
    "exit": "exit",
    "quit": "exit",
}
"""The module of ctl/commands in which a command of that name, or its alias, is declared."""


def commands_of(module: str) -> tuple[Command, ...]:
    """What a module of ctl/commands declares."""
    with interrupt.Fatal():
        loaded = import_module(f"ftl2_enterprise.ctl.commands.{module}")
    return cast("tuple[Command, ...]", loaded.COMMANDS)


def every_command(*, in_shell: bool = True) -> list[Command]:
    """All commands for people, in the order of the help."""
    found = [one for module in dict.fromkeys(MODULES.values()) for one in commands_of(module)]
    groups = list(Group)
    shown = [one for one in found if in_shell or not one.in_shell_only]
    return sorted(shown, key=lambda one: groups.index(one.group))


def find(words: list[str], *, in_shell: bool = True) -> tuple[Command, list[str]]:
    """The command that the words begin with, and the words behind its name.

    Raises Problem(invalid) with the nearest name when there is none.
    """
    first = words[0]
    module = MODULES.get(first)
    if module is None:
        raise unknown(first)
    second = f"{first} {words[1]}" if len(words) > 1 else first
    commands = commands_of(module)
    for command in commands:
        if second != first and second in {command.name, *command.aliases}:
            return command, words[2:]
    for command in commands:
        if first in {command.name, *command.aliases} and (in_shell or not command.in_shell_only):
            return command, words[1:]
    if any(first in {command.name, *command.aliases} for command in commands):
        raise invalid(f"cannot run {first!r} here: it is for the shell only", f"`{PROGRAM}` alone begins the shell")
    raise unknown(first)


CLOSE = 0.7
"""How much of two words has to be the same for one to be meant by the other."""
MOST_MEANT = 3
"""More commands that begin with a word are not listed: it may be any."""


def unknown(word: str) -> Problem:
    """That there is no such command, and which one may be meant."""
    begin = _beginning(word, MODULES)
    close = nearest(word, list(MODULES))
    hint = f"did you mean `{PROGRAM} {close}`?" if close else f"`{PROGRAM} help` lists the commands"
    if 1 < len(begin) <= MOST_MEANT:
        *first, last = (f"`{PROGRAM} {name}`" for name in begin)
        hint = f"did you mean {', '.join(first)} or {last}?"
    elif len(begin) > MOST_MEANT:
        hint = f"`{PROGRAM} help` lists the commands"
    return invalid(f"cannot find a command {word!r}", hint)


def nearest(word: str, known: list[str]) -> str | None:
    """What may have been meant: what begins with the word before what is only like it; nothing far from it."""
    import difflib  # noqa: PLC0415 - slow, and only for mistakes

    begin = _beginning(word, known)
    found = difflib.get_close_matches(word.lower(), begin or known, n=1, cutoff=0.0 if begin else CLOSE)
    return found[0] if found else None


def _beginning(word: str, known: Iterable[str]) -> list[str]:
    """The names that begin with the word; with none every name would."""
    return [name for name in known if word and name.startswith(word.lower())]
