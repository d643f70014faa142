"""What a fact is: one struct per kind. The event log, its readers and its reference follow from it.

A capability declares its facts in `protocol/<capability>/facts.py` or a package of that name. Next to its fields,
each states what its readers would otherwise keep in lists: whether managers re-check after it, at which level it is
logged, and whether it is the last one of its subject.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from ftl2_enterprise.core import packages
from ftl2_enterprise.core.wire import Wire

if TYPE_CHECKING:
    from ftl2_enterprise.core.event import Event

type LogLevel = Literal["debug", "info", "warning", "error"]

KIND = "kind"
"""The field that holds the kind when a fact is encoded alone, as an argument of a unit of work is."""


class Fact(Wire, frozen=True, kw_only=True, tag_field=KIND):
    """Something that happened, in the past tense. The tag of the struct is the kind of the event, `NOUN.VERB`."""

    wakes: ClassVar[bool] = False
    """Managers compare desired and actual state after it."""
    level: ClassVar[LogLevel] = "info"
    """At which level it is logged."""
    is_final: ClassVar[bool] = False
    """Nothing follows about its subject, and the log of the subject may be removed."""

    log_names: ClassVar[Mapping[str, str]] = {}
    """Fields with ids of parts of the subject, and what each is called in a line of the log and in the journal."""
    for_programs: ClassVar[frozenset[str]] = frozenset()
    """Fields that texts for people leave out."""

    def log_level(self) -> LogLevel:
        """The level of this fact: that of its kind, unless what happened matters more, or less."""
        return self.level


class UnknownFact(Fact, frozen=True, tag="unknown"):
    """A fact of another version of the program: its kind is not declared here, or has other fields."""

    kind_given: str
    """The kind of the event."""
    data: dict[str, Any]
    """As it was recorded."""


_DECLARED: dict[str, type[Fact]] = {}


@cache
def kind_of(fact: type[Fact]) -> str:
    """The kind of the events that record the fact: `NOUN.VERB`."""
    tag = fact.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def declare[F: Fact](*facts: type[F]) -> tuple[type[F], ...]:
    """Make the facts known to `fact_of`. Raises ValueError when a kind is declared twice or is no `noun.verb`."""
    for fact in facts:
        kind = kind_of(fact)
        if not all(part.isidentifier() for part in kind.split(".", 1)) or "." not in kind:
            raise ValueError(f"{fact.__name__} needs a tag NOUN.VERB, not {kind!r}")
        if _DECLARED.setdefault(kind, fact) is not fact:
            raise ValueError(f"{fact.__name__} and {_DECLARED[kind].__name__} are both of the kind {kind}")
    return facts


@cache
def declare_all() -> None:
    """Make the facts of every package known: those of `facts` in each package of `protocol`."""
    for module in packages.modules_named("facts", among="ftl2_enterprise.protocol"):
        packages.load(module)


def type_of(kind: str) -> type[Fact]:
    """The type of the facts of that kind; UnknownFact for a kind of another version of the program."""
    if kind not in _DECLARED:
        # A reader need not import the capabilities whose facts it reads.
        declare_all()
    return _DECLARED.get(kind, UnknownFact)


def fact_of(event: Event) -> Fact:
    """The fact that the event records. Never raises: an old client reads the events of a newer service."""
    declared = type_of(event.kind)
    if declared is not UnknownFact:
        try:
            return msgspec.convert(event.data, declared)
        except msgspec.ValidationError:
            pass
    return UnknownFact(kind_given=event.kind, data=event.data)
