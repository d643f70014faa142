"""Stored texts, in the form in which every capability shows and sends them."""

from __future__ import annotations

from ftl2_enterprise.core.wire import Wire


class StoredText(Wire, frozen=True):
    """A text for display: complete if short, else its beginning and end. `digest` refers to the complete one.

    Nouns of capabilities have fields of this type, which the store keeps in three columns (`store.columns.stored`).
    """

    shown: str = ""
    digest: str | None = None
    size: int = 0
    """Characters of the complete text."""
