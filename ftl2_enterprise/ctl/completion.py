"""Completion of command lines, shared by the shell and the completion files of bash, zsh and fish."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from ftl2_enterprise.commandline import finder, help_text, parsing
from ftl2_enterprise.commandline.declaration import Argument, Command, Option
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl.program import FTL2CTL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ftl2_enterprise.commandline.declaration import ValueKind
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.verb import Request

TIMEOUT = 2.0
"""Seconds that the service may take while the user waits for candidates."""


class CompletionCandidate(NamedTuple):
    """A word that may come next, and its description."""

    word: str
    about: str = ""


class Names(Protocol):
    """The source of the names that are completed."""

    def ask[R](self, request: Request[R]) -> R | None:
        """The reply to a verb that only reads; None when there is none."""
        ...


class AskedNames:
    """Names that are requested from the service when they are needed."""

    def __init__(self, session: CtlSession) -> None:
        self._session = session

    def ask[R](self, request: Request[R]) -> R | None:
        """The reply; None when the service does not reply in time."""
        try:
            return self._session.call(request, timeout=TIMEOUT)
        except Problem:
            return None


class Completions(NamedTuple):
    """The candidates; `files`: file names are allowed, which the caller completes."""

    candidates: list[CompletionCandidate]
    files: bool = False
    endings: tuple[str, ...] = ()
    """The endings of these file names; any when empty."""


def complete(words: Sequence[str], start: str, names: Names, *, in_shell: bool) -> Completions:
    """What may replace `start`, the beginning of a word after these words."""
    try:
        _, rest = parsing.leading_options(FTL2CTL, list(words))
    except Problem:
        # A leading option without its value, or an unknown one.
        return Completions([], files=bool(words) and words[-1] == "--socket")
    if not rest:
        found = _options(FTL2CTL.options, start) if start.startswith("-") else _first_words(in_shell=in_shell)
        return Completions(_matching(found, start))
    if second := _second_words(rest, start):
        return Completions(second)
    try:
        command, given = finder.find(FTL2CTL, rest)
    except Problem:
        return Completions([])
    return _after(command, given, start, names)


def _first_words(*, in_shell: bool) -> list[CompletionCandidate]:
    found: dict[str, str] = {}
    families: dict[str, list[str]] = {}
    for command in finder.every_command(FTL2CTL, in_shell=in_shell):
        first, _, second = command.name.partition(" ")
        if second:
            families.setdefault(first, []).append(second)
        found.setdefault(first, command.summary)
    return [
        CompletionCandidate(word, f"{word} {', '.join(families[word])}" if word in families else about)
        for word, about in found.items()
    ]


def _second_words(rest: list[str], start: str) -> list[CompletionCandidate]:
    if len(rest) != 1 or start.startswith("-"):
        return []
    family = [one for one in finder.every_command(FTL2CTL) if one.name.startswith(f"{rest[0]} ")]
    return _matching([CompletionCandidate(one.name.split()[1], one.summary) for one in family], start)


def _after(command: Command, given: list[str], start: str, names: Names) -> Completions:
    options = tuple(help_text.options_of(FTL2CTL, command))
    waiting = parsing.option_named(given[-1], options) if given and given[-1].startswith("-") else None
    if waiting is not None and waiting.kind is not None:
        return _values(waiting, command, start, names, [])
    if start.startswith("--") and "=" in start:
        return _with_equals(command, options, start, names)
    if start.startswith("-"):
        taken = set(given)
        return Completions(_options([option for option in options if option.many or option.long not in taken], start))
    plain = _plain(given, options)
    argument = _argument_at(command, len(plain))
    if argument is None:
        return Completions([])
    return _values(argument, command, start, names, plain)


def _with_equals(command: Command, options: Sequence[Option], start: str, names: Names) -> Completions:
    name, _, value = start.partition("=")
    option = parsing.option_named(name, options)
    if option is None or option.kind is None:
        return Completions([])
    found = _values(option, command, value, names, [])
    return Completions(
        [CompletionCandidate(f"{name}={one.word}", one.about) for one in found.candidates], found.files
    )


def _plain(given: Iterable[str], options: Sequence[Option]) -> list[str]:
    """The words that are neither options nor their values."""
    plain: list[str] = []
    takes_value = is_over = False
    for word in given:
        if takes_value:
            takes_value = False
        elif word == "--" and not is_over:
            is_over = True
        elif word.startswith("-") and not is_over:
            option = parsing.option_named(word, options)
            takes_value = option is not None and option.kind is not None
        else:
            plain.append(word)
    return plain


def _argument_at(command: Command, place: int) -> Argument | None:
    if place < len(command.arguments):
        return command.arguments[place]
    last = command.arguments[-1] if command.arguments else None
    return last if last is not None and (last.rest or last.many) else None


def _values(what: Argument | Option, command: Command, start: str, names: Names, plain: Sequence[str]) -> Completions:
    kind = cast("ValueKind", what.kind)
    if kind.is_path:
        # After its first word, an argument that takes the rest of the line is no file name.
        is_sentence = isinstance(what, Argument) and what.rest and bool(plain)
        return Completions([]) if is_sentence else Completions([], files=True, endings=kind.endings)
    return Completions(_matching(_known(what, kind, command, names, plain), start))


def _known(
    what: Argument | Option, kind: ValueKind, command: Command, names: Names, plain: Sequence[str]
) -> Sequence[CompletionCandidate]:
    if what.choices:
        return [CompletionCandidate(choice) for choice in what.choices]
    if kind.is_command:
        return _second_words([plain[0]], "") if plain else _first_words(in_shell=True)
    if not kind.names:
        return []
    module, _, function = kind.names.partition(":")
    candidates = cast(
        "Callable[[Names, str, Sequence[str]], list[CompletionCandidate]]", getattr(import_module(module), function)
    )
    found = candidates(names, command.name, plain)
    return [one for one in found if one.word not in plain] if isinstance(what, Argument) and what.many else found


def _options(options: Iterable[Option], start: str) -> list[CompletionCandidate]:
    return _matching([CompletionCandidate(option.long, option.help) for option in options], start)


def _matching(found: Iterable[CompletionCandidate], start: str) -> list[CompletionCandidate]:
    return [one for one in found if one.word.startswith(start)]
