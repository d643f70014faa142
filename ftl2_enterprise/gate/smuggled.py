"""Parameters by which a module would do something else than they name: signs of a shell, and options for names.

A rule about commands, paths or units cannot know of these, so that no such call is executed, whatever the policy is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.gate.modules import canonical, find

if TYPE_CHECKING:
    from ftl2_enterprise.gate.module_table import Module

_THROUGH_SHELL = frozenset({"dnf", "swap"})
"""Modules that FTL2 implements by a command line in which it does not quote parameters."""
_NAMES: Mapping[str, tuple[str, ...]] = {
    "git": ("repo", "name", "dest", "remote", "refspec", "version", "reference"),
    "subversion": ("repo", "name", "repository", "dest", "revision", "rev", "version"),
    "unarchive": ("src", "dest", "include", "exclude"),
    "pip": ("name",),
}
"""Parameters that these modules pass to a program where it also takes options."""
_UNSAFE_IN_SHELL = re.compile(r"[^\w.+:~^*@/=,%-]")
_OPTION = re.compile(r"(?:^|[\s,])-")
_NOT_A_UNIT = re.compile(r"""^-|['"\s/]""")


def smuggled(module: str, params: Mapping[str, Any]) -> str | None:
    """Why nothing may run this call; None if its parameters are what they seem to be."""
    known = find(module)
    name = canonical(module)
    if name in _THROUGH_SHELL:
        for param, value in params.items():
            for text in _texts(value):
                if text.startswith("-") or _UNSAFE_IN_SHELL.search(text):
                    return (
                        f"cannot use the parameter {param} of {module}: it has a blank, or a sign that a shell would"
                        " interpret; give several names as a list"
                    )
    for param in _NAMES.get(name, ()):
        if any(map(_OPTION.search if name == "pip" else _is_option, _texts(params.get(param)))):
            return f"cannot use the parameter {param} of {module}: it would be an option, since it begins with a dash"
    return None if known is None else _not_a_name(known, module, params)


def _not_a_name(known: Module, module: str, params: Mapping[str, Any]) -> str | None:
    for param in known.services:
        if any(map(_NOT_A_UNIT.search, _texts(params.get(param)))):
            return (
                f"cannot use the parameter {param} of {module}: a unit has no quotes, blanks, slashes or leading dash"
            )
    for param in (*known.packages, *known.users):
        if any(map(_is_option, _texts(params.get(param)))):
            return f"cannot use the parameter {param} of {module}: it would be an option, since it begins with a dash"
    return None


def _is_option(text: str) -> bool:
    return text.startswith("-")


def _texts(value: Any) -> Iterator[str]:
    """Every text in a parameter, without the blanks around it."""
    match value:
        case str():
            yield value.strip()
        case Mapping():
            for key, one in cast("Mapping[Any, Any]", value).items():
                yield from _texts(key)
                yield from _texts(one)
        case list() | tuple() | set() | frozenset():
            for one in cast("list[Any]", value):
                yield from _texts(one)
        case None | bool() | int() | float():
            pass
        case _:
            yield str(value).strip()
