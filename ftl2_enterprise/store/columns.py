"""Column types and constraints: what a row may hold is declared here and in the lifecycles, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast, override

import msgspec
from sqlalchemy import REAL, CheckConstraint, Column, ForeignKey, Index, Integer, Text, column, text
from sqlalchemy.types import TypeDecorator, TypeEngine

from ftl2_enterprise.store.dialects import only_where

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect


def clean(words: str) -> str:
    """The text without lone surrogates, which have no encoding in UTF-8 and JSON."""
    if words.isascii():
        return words
    return words.encode("utf-8", "replace").decode("utf-8")


def plain(value: Any) -> Any:
    """The value in the types that JSON has; every other type becomes text."""
    # Nearly all values: an exact type is found several times faster than by the patterns below.
    kind = cast("object", type(value))
    if kind is str:
        return clean(value)
    if kind is dict:
        pairs = cast("dict[Any, Any]", value)
        return {clean(key if type(key) is str else str(key)): plain(item) for key, item in pairs.items()}
    if kind is list:
        return [plain(item) for item in cast("list[Any]", value)]
    if value is None or kind is bool:
        return value
    return _plain_of_other(value)


def _plain_of_other(value: Any) -> Any:
    match value:
        case int():
            # Readers of JSON differ beyond 64 bits, so a larger number becomes its digits as text.
            return value if -(2**63) <= value < 2**64 else str(value)
        case float():
            return value if value - value == 0 else str(value)
        case str():
            return clean(str.__str__(value))
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in cast("Iterable[Any]", value)]
        case Mapping():
            return plain(dict(cast("Mapping[Any, Any]", value)))
        case bytes() | bytearray():
            return value.decode("utf-8", "replace")
        case msgspec.Struct():
            return plain(msgspec.to_builtins(value, enc_hook=str))
        case _:
            return clean(str(value))


_encoder = msgspec.json.Encoder()


def json_text(value: object) -> str:
    """The value as JSON; what JSON does not have becomes text, so that recording never fails."""
    if isinstance(value, msgspec.Struct):
        try:
            return _encoder.encode(value).decode()
        except (TypeError, ValueError, OverflowError):
            pass
    return _encoder.encode(plain(value)).decode()


def json_of(value: object) -> str:
    """JSON of a value that consists of JSON's types, such as a decoded or a redacted one."""
    return _encoder.encode(value).decode()


class Words(TypeDecorator[str]):
    """Free text of any origin, stored without lone surrogates."""

    impl = Text
    cache_ok = True

    @override
    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


class Json(TypeDecorator[Any]):
    """JSON of a struct or of plain values; decoded and validated when it is read."""

    impl = Text
    cache_ok = True

    def __init__(self, shape: Any = Any) -> None:
        super().__init__()
        self.shape: Any = shape
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)

    @override
    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json_text(value)

    @override
    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else self._decoder.decode(value)


class Flag(TypeDecorator[bool]):
    """A bool, stored as 0 or 1."""

    impl = Integer
    cache_ok = True

    @override
    def process_bind_param(self, value: bool | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)

    @override
    def process_result_value(self, value: int | None, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


class Word[E: StrEnum](TypeDecorator[E]):
    """A member of an enum, stored as its text."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[E]) -> None:
        super().__init__()
        self.words: type[E] = words
        self._members: dict[str, E] = {member.value: member for member in words}

    @override
    def process_bind_param(self, value: E | str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    @override
    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        return None if value is None else self._members[value]


def listed(words: Iterable[StrEnum]) -> str:
    """The words as SQL literals, for IN (...)."""
    return ", ".join(f"'{word.value}'" for word in words)


def check(table: str, name: str, condition: str) -> CheckConstraint:
    """A CHECK constraint with the name TABLE_NAME."""
    return CheckConstraint(condition, name=f"{table}_{name}")


def known(table: str, column: str, words: Iterable[StrEnum]) -> CheckConstraint:
    """A CHECK constraint: the column holds one of these words."""
    return check(table, f"{column}_known", f'"{column}" IN ({listed(words)})')


def flag(table: str, column: str) -> CheckConstraint:
    """A CHECK constraint: the column holds 0 or 1."""
    return check(table, f"{column}_flag", f"{column} IN (0, 1)")


def number() -> Column[int]:
    """The integer primary key `id`."""
    return Column("id", Integer, primary_key=True)


def reference(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    """A foreign key to the `id` of the table `target`."""
    return Column(name, Integer, ForeignKey(f"{target}.id"), nullable=nullable)


def fraction(name: str, *, nullable: bool = True) -> Column[float]:
    """A float; with the default 0 unless it may be null."""
    real: TypeEngine[float] = REAL()
    return Column(name, real, nullable=nullable, server_default=None if nullable else text("0"))


def count(name: str) -> Column[int]:
    """An integer with the default 0."""
    return Column(name, Integer, nullable=False, server_default=text("0"))


def stored(table: str, name: str) -> list[Column[Any] | Index]:
    """The columns of a StoredText: the shown text, the digest of the whole text if that is longer, and its size."""
    digest = f"{name}_digest"
    return [
        Column(name, Words, nullable=False, server_default=text("''")),
        Column(digest, Text, ForeignKey("texts.digest"), nullable=True),
        Column(f"{name}_size", Integer, nullable=False, server_default=text("0")),
        # For `texts.collect`. Most texts are short and have no digest.
        Index(f"{table}_{name}_texts", digest, **only_where(column(digest).is_not(None))),
    ]
