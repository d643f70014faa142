"""What the fields of a log line are: for people, or only for programs. Pure."""

from __future__ import annotations

from ftl2_enterprise.protocol.fact import Fact, UnknownFact, type_of
from ftl2_enterprise.protocol.service.verbs import LogLine

EVENT = "event"
"""The field with the id of the event that a line is about; then its message is the kind of the event."""


def not_for_people(line: LogLine) -> set[str]:
    """The fields that a text for people leaves out.

    These are the id of the event, what its fact declares, and what repeats the source `KIND:NAME`: the fields KIND
    and KIND_id.
    """
    kind, colon, _ = line.source.partition(":")
    repeated = {kind, f"{kind}_id"} if colon else set[str]()
    fact = _fact(line)
    return {EVENT, *repeated, *(fact.log_names.get(name, name) for name in fact.for_programs)}


def parts(line: LogLine) -> set[str]:
    """The fields with ids of parts of the subject, under names that its fact declares."""
    return {*_fact(line).log_names.values()}


def _fact(line: LogLine) -> type[Fact]:
    return type_of(line.message) if EVENT in line.fields else UnknownFact
