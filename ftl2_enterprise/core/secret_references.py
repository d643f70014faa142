"""References to secrets: what stands for the value of a secret in everything that is decided, stored and shown.

The value replaces a reference at the last moment, in the parameters of a call. A text from outside must not contain
one, or its author could have a secret put where they can read it. So it loses the character with which one begins.
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


def refers(value: Any) -> bool:
    """Whether a text in the value refers to a secret."""
    return reveal(value, lambda name: "") != value


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
