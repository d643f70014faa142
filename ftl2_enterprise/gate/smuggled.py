"""Parameters by which a module would do something else than they name: signs of a shell, and options for names.

A rule about commands, paths or units cannot know of these, so that no such call is executed, whatever the policy is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from ftl2_enterprise.gate.modules import find

_UNSAFE_IN_SHELL = re.compile(r"[^\w.+:~^*@/=,%-]")
_OPTION = re.compile(r"(?:^|[\s,])-")
_NOT_A_UNIT = re.compile(r"""^-|['"\s/]""")


def smuggled(module: str, params: Mapping[str, Any]) -> str | None:
    """Why nothing may run this call; None if its parameters are what they seem to be."""
    known = find(module)
    if known is None:
        return None
    if known.in_shell:
        for param, value in params.items():
            for text in _texts(value):
                if text.startswith("-") or _UNSAFE_IN_SHELL.search(text):
                    return (
                        f"cannot use the parameter {param} of {module}: it has a blank, or a sign that a shell would"
                        " interpret; give several names as a list"
                    )
    for param in known.services:
        if any(map(_NOT_A_UNIT.search, _texts(params.get(param)))):
            return (
                f"cannot use the parameter {param} of {module}: a unit has no quotes, blanks, slashes or leading dash"
            )
    # `pip` passes the words of a name separately.
    is_option = _OPTION.search if known.name == "pip" else _is_option
    for param in (*known.arguments, *known.packages, *known.users):
        if any(map(is_option, _texts(params.get(param)))):
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
