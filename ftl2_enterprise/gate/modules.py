"""What is known about modules: one name for each, what its parameters mean, and how it can observe. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.gate.effects import Fence
from ftl2_enterprise.gate.module_table import OBSERVATIONS, TABLE, Module, ModuleClass, Observing

if TYPE_CHECKING:
    from collections.abc import Iterable

BUILTIN_NAMESPACES: tuple[str, ...] = ("ansible.builtin.", "ansible.legacy.")

MODULES: Mapping[str, Module] = {one.name: one for one in TABLE}
"""Every module of the table, by its canonical name."""

_NAMES: Mapping[str, str] = {name: one.name for one in TABLE for name in (one.name, *one.names)}

BUILT_IN: frozenset[str] = frozenset(one.name for one in OBSERVATIONS)
"""The built-in observations. When one of them fails, nothing is known."""

RUNS_COMMANDS: frozenset[str] = frozenset(one.name for one in TABLE if ModuleClass.COMMANDS in one.classes)
"""Modules that execute or schedule commands: a rule about one of them covers all."""

SIMILAR = 0.8
"""Minimum similarity, from 0 to 1, of a mistyped name of a module and the suggested one."""

_BLANKS = " .\t\r\n"
_OFF = (False,)
"""Also 0 and 0.0, which are equal to it."""
_READING_METHODS = frozenset({"GET", "HEAD"})
_NOT_A_WORD = re.compile(r"""^-|['"\s]""")
"""In a name, it would be an option of the program that receives the name, or another argument."""
_INTERNAL = "_ansible_"
"""Prefix of parameters that a module's runner sets, as in `_ansible_check_mode`; nothing else may."""


def short_name(module: str) -> str:
    """`ansible.builtin.copy` becomes `copy`; the name of a module of any other collection stays as it is."""
    for namespace in BUILTIN_NAMESPACES:
        if module.startswith(namespace):
            return module.removeprefix(namespace)
    return module


@lru_cache(256)
def mistyped_parameter(module: str, parameter: str) -> str | None:
    """The parameter that is meant if this one of a module of the table seems to be mistyped; else None.

    The table has only the parameters that mean something to policy, so another name may be correct.
    """
    found = MODULES.get(canonical(module))
    if found is None:
        return None
    if parameter in found.parameters:
        return None
    return next(iter(get_close_matches(parameter, sorted(found.parameters), 1, SIMILAR)), None)


@lru_cache(1024)
def name_of(module: str) -> str:
    """The one name of the module for a correct spelling of it; a name with blanks or capitals is another module."""
    name = short_name(module)
    return _NAMES.get(name, name)


@lru_cache(1024)
def canonical(module: str) -> str:
    """The one name of the module in effects and permits, whatever its spelling."""
    name = module.lower().strip(_BLANKS)
    while name.startswith(BUILTIN_NAMESPACES):
        name = short_name(name).strip(_BLANKS)
    return _NAMES.get(name, name)


@lru_cache(1024)
def spellings(module: str) -> tuple[str, ...]:
    """Every name of the same module, the given one first."""
    name = canonical(module)
    known = MODULES.get(name)
    names = dict.fromkeys((module, short_name(module), name, *(known.names if known else ())))
    short = [one for one in names if "." not in one and one]
    return tuple(dict.fromkeys((*names, *(space + one for one in short for space in BUILTIN_NAMESPACES))))


def equivalents(module: str) -> tuple[str, ...]:
    """Every name of the module and of the modules that can have the same effect."""
    if canonical(module) not in RUNS_COMMANDS:
        return spellings(module)
    return tuple(name for member in sorted(RUNS_COMMANDS) for name in spellings(member))


def synonyms(module: str, param: str) -> frozenset[str]:
    """Every name under which the module accepts that parameter, or one of the same meaning: `path` and `dest`."""
    known = find(module)
    if known is None:
        return frozenset({param})
    groups = (
        known.writes, known.reads, known.commands, known.packages, known.services, known.users, known.urls,
        *known.synonyms,
    )  # fmt: skip
    return frozenset((param, *(name for group in groups if param in group for name in group)))


def is_known(module: str) -> bool:
    """Whether there can be such a module: it is in the table, or in a collection."""
    name = canonical(module)
    return "." in name or name in MODULES


def similar(module: str) -> str | None:
    """The module of the table that is probably meant by an unknown name; None if none is similar."""
    found = get_close_matches(canonical(module), [name for name in _NAMES if "." not in name], n=1, cutoff=SIMILAR)
    return found[0] if found else None


def find(module: str) -> Module | None:
    """What the table has about the module, or None."""
    return MODULES.get(canonical(module))


def classes(module: str, params: Mapping[str, Any]) -> frozenset[ModuleClass]:
    """The classes of a call: those of its module, and `commands` if a parameter makes it execute something."""
    known = find(module)
    if known is None:
        return frozenset({ModuleClass.OTHER})
    more = (ModuleClass.COMMANDS,) if is_given(known, params, known.programs) else ()
    return frozenset((*known.classes, *more))


def is_given(known: Module, params: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether the module receives one of these parameters; a switch counts only if it is not off.

    Any other value counts: 0, false and an empty text can be the name of a file, a user id, or no groups.
    """
    given = {name: params[name] for name in names if params.get(name) is not None}
    return any(name not in known.switches or value not in _OFF for name, value in given.items())


def fence_for(module: str, params: Mapping[str, Any]) -> Fence | None:
    """By what an observation with this module has to be kept from changing its host; None if it cannot observe."""
    known = find(module)
    if known is None or is_given(known, params, known.not_observing) or internal_parameter(params) is not None:
        return None
    if name_with_options(module, params) is not None:
        return None
    match known.observing:
        case Observing.READING:
            return Fence.READING if known.name != "uri" or _only_reads(params) else None
        case Observing.CHECKABLE:
            # A name with a slash would be executed as the script of another directory.
            return None if any("/" in str(params.get(name, "")) for name in known.services) else Fence.CHECK_MODE
        case Observing.COMMANDS:
            return Fence.SANDBOX
        case Observing.OTHER:
            return None


def name_with_options(module: str, params: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is named, and its name, for the first name with which a module would pass more arguments to a program."""
    known = find(module)
    if known is None or known.observing not in {Observing.READING, Observing.CHECKABLE}:
        return None
    for kind, names in (("unit", known.services), ("package", known.packages), ("name", known.words)):
        for name in names:
            given: Any = params.get(name)
            values = cast("list[Any]", given) if isinstance(given, list | tuple) else [given]
            parts = [part.strip() for value in values if value is not None for part in str(value).split(",")]
            found = next((part for part in parts if _NOT_A_WORD.search(part)), None)
            if found is not None:
                return kind, found
    return None


def _only_reads(params: Mapping[str, Any]) -> bool:
    """Whether a request changes nothing (RFC 9110, 9.2.1), and no header asks for another method."""
    headers: Any = params.get("headers") or {}
    named = cast("Mapping[Any, Any]", headers) if isinstance(headers, Mapping) else {"method": headers}
    given: Any = params.get("method")
    method = "GET" if given is None else str(given).strip().upper()
    return method in _READING_METHODS and not any("method" in str(name).lower() for name in named)


def internal_parameter(params: Mapping[str, Any]) -> str | None:
    """The first parameter that only the program that runs modules may set, if there is one."""
    return next((name for name in map(str, params) if name.startswith(_INTERNAL)), None)
