"""What a fact is about, as text: the kind of the thing and its id, `loop:17`; empty for the service itself."""

from __future__ import annotations

from typing import NamedTuple

SERVICE = ""
"""The subject of facts about the service itself."""
HIGHEST_ID = 2**63 - 1
"""Of a row in the database."""


class Subject(NamedTuple):
    """A thing that facts are about."""

    kind: str
    """The noun, `loop`."""
    id: int
    """Of its row."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def parse_subject(text: str) -> Subject | None:
    """The subject that the text stands for; None for the service, and for text that is no subject."""
    kind, colon, digits = text.partition(":")
    if not (colon and kind and digits.isascii() and digits.isdigit()):
        return None
    number = int(digits)
    return Subject(kind, number) if number <= HIGHEST_ID else None
