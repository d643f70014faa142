"""Values of settings that have to be one of some words: which word is wrong, and which one was probably meant."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAliasType, cast, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, kw_only=True)
class WrongWord:
    """A word that is none of those that are allowed."""

    word: Any
    allowed: tuple[str, ...]
    path: tuple[str, ...] = ()
    """The keys of the tables that contain it."""

    @property
    def listed(self) -> str:
        """The allowed words; an empty one in quotation marks."""
        return ", ".join(one or '""' for one in self.allowed)

    @property
    def hint(self) -> str | None:
        """The word that was probably meant, if one is similar."""
        close = get_close_matches(str(self.word).lower(), self.allowed, n=1)
        return f"did you mean {close[0]}?" if close else None


def wrong_word(value: Any, kind: Any) -> WrongWord | None:
    """The first word in a value of the settings that its type does not allow; None if something else is wrong."""
    return next(_wrong(value, kind, ()), None)


def _wrong(value: Any, kind: Any, path: tuple[str, ...]) -> Iterator[WrongWord]:
    kind = _plain(kind)
    allowed = _words(kind)
    if allowed:
        if isinstance(value, str) and value not in allowed:
            yield WrongWord(word=value, allowed=allowed, path=path)
    elif get_origin(kind) is dict and isinstance(value, dict):
        of_keys, of_values = get_args(kind)
        for key, one in cast("Mapping[Any, Any]", value).items():
            yield from _wrong(key, of_keys, path)
            yield from _wrong(one, of_values, (*path, str(key)))
    elif get_origin(kind) is tuple and isinstance(value, list | tuple):
        for one in cast("Sequence[Any]", value):
            yield from _wrong(one, get_args(kind)[0], path)


def _plain(kind: Any) -> Any:
    """The type without its name and its limits."""
    while isinstance(kind, TypeAliasType) or get_origin(kind) is Annotated:
        kind = kind.__value__ if isinstance(kind, TypeAliasType) else get_args(kind)[0]
    return kind


def _words(kind: Any) -> tuple[str, ...]:
    """The words of an enumeration or of literals, also of an optional one; nothing for another type."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(one.value) for one in kind)
    if get_origin(kind) is Literal:
        return tuple(map(str, get_args(kind)))
    options = [_plain(one) for one in get_args(kind) if one is not type(None)]
    return _words(options[0]) if len(options) == 1 and type(None) in get_args(kind) else ()
