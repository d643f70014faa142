"""What may come next on a line. The shell and the completion files of bash, zsh and fish ask the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl import help_text, parsing, registry
from ftl2_enterprise.ctl.registry import GLOBAL_FLAGS, Argument, Command, Flag, Kind
from ftl2_enterprise.render.loops.desired_state import MANIFESTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Candidate(NamedTuple):
    """A word that may come, and what it is."""

    word: str
    about: str = ""


class Names(Protocol):
    """What exists in the service now; empty where it cannot be reached."""

    def loops(self, command: str = "") -> Sequence[Candidate]:
        """Names of loops, of those that the command can do something about."""
        ...

    def prompts(self) -> Sequence[Candidate]:
        """Numbers of open prompts."""
        ...

    def rules(self) -> Sequence[Candidate]:
        """Names of rules."""
        ...

    def answers(self, prompt: int) -> Sequence[Candidate]:
        """Options of an open prompt."""
        ...

    def settings(self) -> Sequence[Candidate]:
        """Keys of settings, and what they begin with."""
        ...


class Completions(NamedTuple):
    """The candidates; `files` says that paths may come, which whoever asks completes itself."""

    candidates: list[Candidate]
    files: bool = False
    endings: tuple[str, ...] = ()
    """How the names of these files end; any when empty."""


def complete(words: Sequence[str], start: str, names: Names, *, in_shell: bool) -> Completions:
    """What may stand where `start` stands, behind these words."""
    try:
        before, rest = parsing.global_flags(list(words))
    except Problem:
        # A global option that waits for its value, or one that nobody knows.
        return Completions([], files=bool(words) and words[-1] == "--socket")
    del before
    if not rest:
        found = _options(GLOBAL_FLAGS, start) if start.startswith("-") else _first_words(in_shell=in_shell)
        return Completions(_matching(found, start))
    if second := _second_words(rest, start):
        return Completions(second)
    try:
        command, given = registry.find(rest)
    except Problem:
        return Completions([])
    return _behind(command, given, start, names)


def _first_words(*, in_shell: bool) -> list[Candidate]:
    found: dict[str, str] = {}
    for command in registry.every_command(in_shell=in_shell):
        first = command.name.split()[0]
        found.setdefault(first, command.summary if first == command.name else f"{first} list, show, enable, disable")
    return [Candidate(word, about) for word, about in found.items()]


def _second_words(rest: list[str], start: str) -> list[Candidate]:
    if len(rest) != 1 or start.startswith("-"):
        return []
    family = [one for one in registry.every_command() if one.name.startswith(f"{rest[0]} ")]
    return _matching([Candidate(one.name.split()[1], one.summary) for one in family], start)


def _behind(command: Command, given: list[str], start: str, names: Names) -> Completions:
    flags = tuple(help_text.flags_of(command))
    waiting = parsing.flag_named(given[-1], flags) if given and given[-1].startswith("-") else None
    if waiting is not None and waiting.kind is not None:
        return _values(waiting, command, start, names, [])
    if start.startswith("--") and "=" in start:
        return _with_equals(command, flags, start, names)
    if start.startswith("-"):
        taken = set(given)
        return Completions(_options([flag for flag in flags if flag.many or flag.option not in taken], start))
    plain = _plain(given, flags)
    argument = _argument_at(command, len(plain))
    if argument is None:
        return Completions([])
    return _values(argument, command, start, names, plain)


def _with_equals(command: Command, flags: Sequence[Flag], start: str, names: Names) -> Completions:
    option, _, value = start.partition("=")
    flag = parsing.flag_named(option, flags)
    if flag is None or flag.kind is None:
        return Completions([])
    found = _values(flag, command, value, names, [])
    return Completions([Candidate(f"{option}={one.word}", one.about) for one in found.candidates], found.files)


def _plain(given: Iterable[str], flags: Sequence[Flag]) -> list[str]:
    """The words that are neither options nor their values."""
    plain: list[str] = []
    takes_value = is_over = False
    for word in given:
        if takes_value:
            takes_value = False
        elif word == "--" and not is_over:
            is_over = True
        elif word.startswith("-") and not is_over:
            flag = parsing.flag_named(word, flags)
            takes_value = flag is not None and flag.kind is not None
        else:
            plain.append(word)
    return plain


def _argument_at(command: Command, place: int) -> Argument | None:
    if place < len(command.arguments):
        return command.arguments[place]
    last = command.arguments[-1] if command.arguments else None
    return last if last is not None and (last.rest or last.many) else None


def _values(what: Argument | Flag, command: Command, start: str, names: Names, plain: Sequence[str]) -> Completions:
    if what.kind is Kind.PATH:
        return Completions([], files=True)
    if what.kind is Kind.WISH:
        # Behind the first word it is a sentence.
        return Completions([]) if plain else Completions([], files=True, endings=MANIFESTS)
    return Completions(_matching(_known(what, command, names, plain), start))


def _known(what: Argument | Flag, command: Command, names: Names, plain: Sequence[str]) -> Sequence[Candidate]:
    match what.kind:
        case Kind.CHOICE:
            return [Candidate(choice) for choice in what.choices]
        case Kind.LOOP:
            found = names.loops(command.name)
            return [one for one in found if one.word not in plain] if isinstance(what, Argument) else found
        case Kind.SETTING:
            return names.settings()
        case Kind.PROMPT:
            return names.prompts()
        case Kind.RULE:
            return names.rules()
        case Kind.ANSWER if len(plain) == 1 and plain[0].removeprefix("#").isdigit():
            return names.answers(int(plain[0].removeprefix("#")))
        case Kind.COMMAND:
            return _second_words([plain[0]], "") if plain else _first_words(in_shell=True)
        case _:
            return []


def _options(flags: Iterable[Flag], start: str) -> list[Candidate]:
    return _matching([Candidate(flag.option, flag.help) for flag in flags], start)


def _matching(found: Iterable[Candidate], start: str) -> list[Candidate]:
    return [one for one in found if one.word.startswith(start)]
