"""Subjects of facts, as text: the kind and the id, `KIND:ID`; empty for the service itself."""

from __future__ import annotations

from typing import NamedTuple

SERVICE = ""
"""The subject of facts about the service."""
HIGHEST_ID = 2**63 - 1
"""The largest id of a row in the database."""


class Subject(NamedTuple):
    """The subject of a fact."""

    kind: str
    """The noun."""
    id: int
    """Id of its row."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def parse_subject(text: str) -> Subject | None:
    """The subject in the text; None for the service, and for text that is not a subject."""
    kind, colon, digits = text.partition(":")
    if not (colon and kind and digits.isascii() and digits.isdigit()):
        return None
    number = int(digits)
    return Subject(kind, number) if number <= HIGHEST_ID else None
