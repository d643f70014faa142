"""Bases for what crosses a boundary: frozen, keyword-only structs."""

from __future__ import annotations

import msgspec

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises about bytes that it cannot decode: also those that are not UTF-8, or nested too deep."""


def why_undecodable(error: Exception) -> str:
    """What is wrong with the bytes, as the end of a sentence."""
    if isinstance(error, UnicodeDecodeError):
        return "a text in it is not UTF-8"
    return str(error)[:1].lower() + str(error)[1:]


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A value that is stored or sent. Unknown fields are tolerated, so that old readers read new data."""


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that a person or a model writes. Unknown fields are refused, because they are mistakes."""
