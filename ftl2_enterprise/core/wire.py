"""Bases for what crosses a boundary: frozen, keyword-only structs."""

from __future__ import annotations

import msgspec


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A value that is stored or sent. Unknown fields are tolerated, so that old readers read new data."""


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that a person or a model writes. Unknown fields are refused, because they are mistakes."""
