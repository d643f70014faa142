"""Finds commands by the names of folders and files, and imports only the one that is called.

The file `help.py` is the command `help`, `init_db.py` is `init-db`, and `config/show.py` is `config show`. A module
declares its command as `COMMAND`; names that begin with an underscore are not commands. A package may declare other
names for its commands as `ALIASES`. A new capability adds a package of commands and changes nothing here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec

from ftl2_enterprise.core import interrupt, packages
from ftl2_enterprise.core.problem import Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    from ftl2_enterprise.commandline.declaration import Command, Program

CLOSE = 0.7
"""Minimum similarity, from 0 to 1, of a mistyped name and the suggested one."""
MOST_SUGGESTED = 3
"""When more names begin with the word, none is suggested."""


class Place(NamedTuple):
    """Where a command is declared."""

    module: str
    package: str
    """The package of its capability, which declares its aliases."""


def places(program: Program) -> dict[str, Place]:
    """The place of each command by the command's name, without importing any of them.

    Raises ValueError when two packages have a command of the same name.
    """
    found: dict[str, Place] = {}
    for package, path in _packages(program):
        names, families = packages.inside(path)
        here = {_typed(name): Place(f"{package}.{name}", package) for name in names}
        for family in families:
            inside, _ = packages.inside(os.path.join(path, family))  # noqa: PTH118 - pathlib costs a client too much
            here |= {
                f"{_typed(family)} {_typed(name)}": Place(f"{package}.{family}.{name}", package) for name in inside
            }
        for name, place in here.items():
            if name in found:
                raise ValueError(f"{found[name].module} and {place.module} are the same command")
            found[name] = place
    return found


def aliases(program: Program) -> dict[str, str]:
    """The names of commands by their other names."""
    return {other: name for package, _ in _packages(program) for other, name in _aliases_of(package).items()}


def names(program: Program) -> list[str]:
    """The first words of all commands and their aliases, sorted."""
    return sorted({name.partition(" ")[0] for name in (*places(program), *aliases(program))})


def every_command(program: Program, *, in_shell: bool = True) -> list[Command]:
    """All commands that the help lists, in its order. Imports them all."""
    found = [_load(name, place) for name, place in places(program).items()]
    shown = [one for one in found if not one.is_hidden and (in_shell or not one.in_shell_only)]
    return sorted(shown, key=lambda one: (one.group.rank, one.group.title, one.name))


def find(program: Program, words: list[str], *, in_shell: bool = True) -> tuple[Command, list[str]]:
    """The command that the words begin with, and the words after its name.

    Raises Problem(invalid) with the nearest name when there is none.
    """
    known = places(program)
    first, used = words[0], 1
    if len(words) > 1 and (two := f"{first} {words[1]}") in known:
        name, used = two, 2
    elif first in known:
        name = first
    elif (meant := aliases(program).get(first)) is not None and _load(meant, known[meant]).arguments:
        # The second word may be an argument that resembles another command.
        name = meant
    elif (similar := _similar_in_family(known, words)) is not None:
        raise invalid(f"cannot find a command {' '.join(words[:2])!r}", f"did you mean `{program.name} {similar}`?")
    elif meant is not None:
        name = meant
    else:
        raise unknown(program, first)
    command = _load(name, known[name])
    if command.in_shell_only and not in_shell:
        raise invalid(f"cannot run {first!r} here: it works in the shell only", f"`{program.name}` starts the shell")
    return command, words[used:]


def _similar_in_family(known: Mapping[str, Place], words: list[str]) -> str | None:
    """The command of two words that is probably meant, if the first one is right and the second one is mistyped."""
    first, *rest = words
    if not rest or rest[0].startswith("-"):
        return None
    family = [name.partition(" ")[2] for name in known if name.startswith(f"{first} ")]
    close = nearest(rest[0], family) if family else None
    return None if close is None else f"{first} {close}"


def unknown(program: Program, word: str) -> Problem:
    """A Problem that names the commands that may be meant, if there are few."""
    family = [f"`{program.name} {name}`" for name in places(program) if name.startswith(f"{word} ")]
    if family:
        return invalid(f"cannot run {word!r} alone: it is the first word of commands", f"use {' or '.join(family)}")
    known = names(program)
    begin = _beginning(word, known)
    close = nearest(word, known)
    hint = f"did you mean `{program.name} {close}`?" if close else f"`{program.name} help` lists the commands"
    if 1 < len(begin) <= MOST_SUGGESTED:
        *first, last = (f"`{program.name} {name}`" for name in begin)
        hint = f"did you mean {', '.join(first)} or {last}?"
    elif len(begin) > MOST_SUGGESTED:
        hint = f"`{program.name} help` lists the commands"
    return invalid(f"cannot find a command {word!r}", hint)


def nearest(word: str, known: list[str]) -> str | None:
    """The name that is probably meant: one that begins with the word, else a similar one; None when none is close."""
    import difflib  # noqa: PLC0415 - slow, and only for mistakes

    begin = _beginning(word, known)
    found = difflib.get_close_matches(word.lower(), begin or known, n=1, cutoff=0.0 if begin else CLOSE)
    return found[0] if found else None


def _beginning(word: str, known: Iterable[str]) -> list[str]:
    """The names that begin with the word; none for an empty word."""
    return [name for name in known if word and name.startswith(word.lower())]


def _packages(program: Program) -> list[tuple[str, str]]:
    """The packages that contain commands, each with its directory."""
    paths = list(_import(program.package).__path__)
    return [
        (f"{program.package}.{name}", os.path.join(path, name))  # noqa: PTH118
        for path in paths
        for name in packages.inside(path)[1]
    ]


def _load(name: str, place: Place) -> Command:
    command = cast("Command", _import(place.module).COMMAND)
    other = tuple(alias for alias, meant in _aliases_of(place.package).items() if meant == name)
    return msgspec.structs.replace(command, name=name, aliases=other)


def _aliases_of(package: str) -> dict[str, str]:
    return cast("dict[str, str]", getattr(_import(package), "ALIASES", {}))


def _import(name: str) -> ModuleType:
    # Ctrl-C must not be lost in a callback of the import system.
    with interrupt.Fatal():
        return packages.load(name)


def _typed(name: str) -> str:
    return name.replace("_", "-")
