"""Hypothesis strategies for the types that cross boundaries, read from the types themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.sent_files import SentFile
from ftl2_enterprise.protocol.loops.spec_limits import LIMITS

if TYPE_CHECKING:
    from ftl2_enterprise.core.number_limits import Limits

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBERS = st.integers(-(2**63), 2**64 - 1)
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | FRACTIONS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)

PATHS = st.from_regex(r"/[a-z]{1,9}", fullmatch=True)
LABELS = st.dictionaries(
    st.from_regex(r"[a-z0-9][a-z0-9._/-]{0,9}", fullmatch=True), st.sampled_from(["web", "a = b"]), max_size=3
)
"""Their form is checked apart from their type."""


def made_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type."""
    return _made(inspect.type_info(kind))


def _made(info: inspect.Type) -> st.SearchStrategy[Any]:  # noqa: PLR0911, PLR0912 - one for each kind of type
    match info:
        case inspect.AnyType():
            return PLAIN
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(info.ge if info.ge is not None else -(2**63), info.le or 2**63 - 1)
        case inspect.FloatType():
            least = info.ge if info.ge is not None else info.gt
            return st.floats(least, info.le, allow_nan=False, allow_infinity=False, exclude_min=info.gt is not None)
        case inspect.StrType():
            if info.pattern:
                return st.from_regex(info.pattern, fullmatch=True)
            least = info.min_length or 0
            return st.text(st.characters(codec="utf-8"), min_size=least, max_size=max(least, 12))
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.EnumType():
            return st.sampled_from(list(info.cls))
        case inspect.ListType(item_type=inspect.StructType(cls=cls)) if cls is SentFile:
            return st.lists(_made(info.item_type), max_size=3, unique_by=lambda file: file.path)
        case inspect.ListType():
            return st.lists(
                _made(info.item_type), min_size=info.min_length or 0, max_size=max(3, info.min_length or 0)
            )
        case inspect.VarTupleType():
            return st.lists(_made(info.item_type), max_size=3).map(tuple)
        case inspect.TupleType():
            return st.tuples(*map(_made, info.item_types))
        case inspect.DictType():
            return st.dictionaries(_made(info.key_type), _made(info.value_type), max_size=3)
        case inspect.UnionType():
            return st.one_of(*map(_made, info.types))
        case inspect.StructType(cls=cls) if cls is SentFile:
            return st.builds(
                SentFile, path=PATHS, content=st.text(st.characters(codec="utf-8", exclude_characters="\0"))
            )
        case inspect.StructType() | inspect.DataclassType():
            limits = LIMITS if info.cls is LoopSpec else {}
            made = {field.name: _made(_limited(field.type, limits.get(field.name))) for field in info.fields}
            if info.cls is LoopSpec:
                made["labels"] = LABELS
            return st.builds(info.cls, **made)
        case _:
            raise TypeError(f"no values of {info} can be made here")


def _limited(info: inspect.Type, limits: Limits | None) -> inspect.Type:
    """The type, with limits that are checked apart from it."""
    match info:
        case inspect.UnionType():
            return inspect.UnionType(tuple(_limited(one, limits) for one in info.types))
        case inspect.IntType() | inspect.FloatType() if limits is not None:
            least, most = limits.at_least if limits.at_least is not None else limits.above, limits.at_most
            if isinstance(info, inspect.IntType):
                return inspect.IntType(
                    ge=None if least is None else int(least), le=None if most is None else int(most)
                )
            return inspect.FloatType(gt=limits.above, ge=limits.at_least, le=most)
        case _:
            return info


def same(one: Any, other: Any) -> bool:
    """Equal, and encoded alike."""
    return one == other and msgspec.msgpack.encode(one) == msgspec.msgpack.encode(other)
