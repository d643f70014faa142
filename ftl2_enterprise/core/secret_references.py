"""References to secrets: what stands for the value of a secret in everything that is decided, stored and shown.

The value replaces a reference at the last moment, in the parameters of a call. Texts from outside must not contain
one: a host could have a secret written where it can read it. So they lose the character with which one begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

BEGIN, END = "\u27e6secret:", "\u27e7"
"""Around the name: mathematical brackets, which configuration does not use."""
_REFERENCE = re.compile(rf"{BEGIN}(?P<name>[A-Za-z_][A-Za-z0-9_.]*){END}")


def reference(name: str) -> str:
    """The text that stands for the secret."""
    return f"{BEGIN}{name}{END}"


def is_reference(text: str) -> bool:
    """Whether the text is a reference and nothing else."""
    return _REFERENCE.fullmatch(text) is not None


def names_in(text: str) -> list[str]:
    """The names of the secrets to which the text refers."""
    return [match["name"] for match in _REFERENCE.finditer(text)]


def reveal(value: Any, find: Callable[[str], str | None]) -> Any:
    """The value with the secrets themselves; `find` returns None for a name that does not exist, which stays."""
    return _changed(value, lambda text: _REFERENCE.sub(lambda match: _or(find(match["name"]), match[0]), text))


def _or(found: str | None, otherwise: str) -> str:
    return otherwise if found is None else found


def without_references(value: Any) -> Any:
    """The value from outside, in which no reference can begin."""
    return _changed(value, lambda text: text.replace(BEGIN[0], "["))


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case str():
            return change(value) if BEGIN[0] in value else value
        case Mapping():
            items = cast("Mapping[Any, Any]", value).items()
            return {_changed(key, change): _changed(item, change) for key, item in items}
        case list() | tuple():
            return [_changed(item, change) for item in cast("list[Any]", value)]
        case _:
            return value
