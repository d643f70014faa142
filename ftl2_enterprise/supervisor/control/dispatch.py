"""Finds the handler for a request. At the start, handlers are compared with the declarations of their verbs."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, cast, get_args

import msgspec

from ftl2_enterprise.core.number_limits import number_text
from ftl2_enterprise.core.problem import Problem, invalid, unavailable
from ftl2_enterprise.core.shorten import shorten
from ftl2_enterprise.core.wire import UNDECODABLE, why_undecodable
from ftl2_enterprise.protocol.caller import Caller
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.envelope import VerbOf
from ftl2_enterprise.protocol.verb import Request, is_watch, name_of, reply_of
from ftl2_enterprise.store.unit import Unit
from ftl2_enterprise.supervisor.control.access import Peer

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.verb import Ask
    from ftl2_enterprise.supervisor.control.access import Guard

LARGEST = 2**63 - 1
"""The largest integer that the database stores."""

type Verb = type[Request[Any]]
type Read = Callable[..., Any]
"""Takes a read transaction, the request, the table of children, and what was gathered."""
type Write = Unit[..., Any]
"""Takes a transaction, whose `actor` is the caller, the request, and what was gathered or the `Caller`."""
type Prepare = Callable[[Any], Awaitable[Any]]
"""Checks and completes a request before it is written."""
type Gather = Callable[[Any], Awaitable[Any]]
"""Reads what the handler needs besides the database, such as files, while other requests are answered."""
type System = Callable[[Any, Any, Peer], Awaitable[Any]]
"""Takes the `ServiceState`, the request and the caller."""
type Renderer = Callable[[Ask, Any], Any]
"""Takes a function that answers other verbs, and the request."""
type Watcher = Callable[[Any, Any], AsyncGenerator[Any]]
"""Takes the `ServiceState` and the request; the next item is requested only when the client reads it."""


@dataclass(frozen=True, kw_only=True)
class Handlers:
    """The handlers by verb."""

    reads: Mapping[Verb, Read] = field(default_factory=dict[Verb, Read])
    writes: Mapping[Verb, Write] = field(default_factory=dict[Verb, Write])
    prepares: Mapping[Verb, Prepare] = field(default_factory=dict[Verb, Prepare])
    """In addition to a handler that writes."""
    gathers: Mapping[Verb, Gather] = field(default_factory=dict[Verb, Gather])
    """In addition to a handler that reads or writes, whose last argument is the result."""
    system: Mapping[Verb, System] = field(default_factory=dict[Verb, System])
    renders: Mapping[Verb, Renderer] = field(default_factory=dict[Verb, Renderer])
    watches: Mapping[Verb, Watcher] = field(default_factory=dict[Verb, Watcher])

    def joined(self, *others: Handlers) -> Handlers:
        """Join these handlers with others. Raises Problem(invalid) when a verb has two of the same kind."""
        tables: dict[str, dict[Verb, Any]] = {one.name: {} for one in fields(self)}
        for handlers in (self, *others):
            for name, table in tables.items():
                added: Mapping[Verb, Any] = getattr(handlers, name)
                for verb in added:
                    if verb in table:
                        raise _disagreement(name_of(verb), f"two capabilities have its {name}")
                table.update(added)
        return Handlers(**tables)


class Kind(Enum):
    """How a verb is answered."""

    READ = auto()
    WRITE = auto()
    SYSTEM = auto()
    RENDER = auto()
    WATCH = auto()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One verb, ready to be answered."""

    verb: Verb
    name: str
    kind: Kind
    handler: Any
    prepare: Prepare | None
    gather: Gather | None
    decoder: msgspec.msgpack.Decoder[Any]
    takes_caller: bool = False
    """The last argument of the handler is the `Caller`."""
    kept: Request[Any] | None = None
    """The request whose reply may be kept: without any argument."""

    def decode(self, body: msgspec.Raw) -> Any:
        """The request. Raises Problem(invalid) that names the field."""
        try:
            request = self.decoder.decode(body)
        except UNDECODABLE as error:
            raise invalid(*_explained(error, self, body)) from error
        for name in self.verb.__struct_fields__:
            value = getattr(request, name)
            if type(value) is int and abs(value) > LARGEST:
                raise invalid(f"cannot do {self.name}: the number in `{name}` is too large")
        return request


class Dispatch:
    """Finds who answers a request, if the caller may ask it."""

    def __init__(self, handlers: Handlers, catalogue: Mapping[str, Verb] = CATALOGUE) -> None:
        """Raises Problem(invalid) when a verb and its handler disagree, or there is not just one handler."""
        self._entries: dict[str, Entry] = {
            name: _entry(name, verb, handlers) for name, verb in sorted(catalogue.items())
        }
        self._verb: msgspec.msgpack.Decoder[VerbOf] = msgspec.msgpack.Decoder(VerbOf)
        tables = (
            handlers.reads, handlers.writes, handlers.prepares, handlers.gathers, handlers.system, handlers.renders,
            handlers.watches,
        )  # fmt: skip
        for verb in {verb for table in tables for verb in table}:
            if catalogue.get(name_of(verb)) is not verb:
                raise _disagreement(name_of(verb), "it is not in the catalogue of verbs")

    def find(self, body: msgspec.Raw, peer: Peer, guard: Guard, *, draining: bool = False) -> Entry:
        """Who answers. Raises Problem: invalid for an unknown verb, denied, unavailable while the service drains."""
        try:
            name = self._verb.decode(body).type
        except UNDECODABLE as error:
            raise invalid("cannot understand the request: it does not name a verb in `type`") from error
        entry = self._entries.get(name)
        if entry is None:
            shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
            # A comparison with a text of megabytes would take seconds, in which no client is answered.
            near = difflib.get_close_matches(shown, self._entries, n=1)
            raise invalid(
                f"cannot do {shown!r}: there is no such verb", f"did you mean {near[0]}?" if near else _all_verbs
            )
        guard.check(peer, entry.verb.access, name)
        if draining and entry.verb.starts_work:
            raise unavailable(
                f"cannot do {name}: the service is stopping",
                "try again after the next start, when everything continues",
            )
        return entry


_LONGEST_NAME = 40
_LONGEST_REASON = 300
_all_verbs = "`ftl2ctl help` lists the verbs"


def _entry(name: str, verb: Verb, handlers: Handlers) -> Entry:
    tables: dict[Kind, Mapping[Verb, Any]] = {
        Kind.READ: handlers.reads,
        Kind.WRITE: handlers.writes,
        Kind.SYSTEM: handlers.system,
        Kind.RENDER: handlers.renders,
        Kind.WATCH: handlers.watches,
    }
    found: list[tuple[Kind, Any]] = [(kind, table[verb]) for kind, table in tables.items() if verb in table]
    if len(found) != 1:
        raise _disagreement(name, "it has no handler" if not found else f"it has {len(found)} handlers")
    ((kind, handler),) = found
    if (kind is Kind.WATCH) != is_watch(verb):
        raise _disagreement(name, "a watch is answered by a watcher, and only a watch is")
    if (kind is Kind.WRITE) != verb.writes:
        raise _disagreement(name, "its declaration and its handler do not agree on whether it writes")
    prepare = handlers.prepares.get(verb)
    if prepare is not None:
        if kind is not Kind.WRITE:
            raise _disagreement(name, "only what is written is prepared")
        _agree(name, prepare, at=0, takes=verb, gives=verb)
    gather = handlers.gathers.get(verb)
    if gather is not None:
        if kind not in {Kind.READ, Kind.WRITE}:
            raise _disagreement(name, "only for what is read and written something is gathered")
        _agree(name, gather, at=0, takes=verb, gives=_last_argument(name, handler))
    match kind:
        case Kind.WRITE:
            if not isinstance(handler, Unit):
                raise _disagreement(name, f"{handler.__name__} is not a unit of work")
            _agree(name, handler.function, at=1, takes=verb, gives=reply_of(verb))
        case Kind.WATCH:
            _agree(name, handler, at=1, takes=verb, gives=AsyncGenerator[reply_of(verb)])
        case Kind.READ | Kind.SYSTEM | Kind.RENDER:
            _agree(name, handler, at=1, takes=verb, gives=reply_of(verb))
    if (kind is Kind.SYSTEM) != inspect.iscoroutinefunction(cast("object", handler)):
        raise _disagreement(name, "system handlers are coroutine functions, and no others are")
    takes_caller = kind is Kind.WRITE and _last_argument(name, handler) is Caller
    if takes_caller and gather is not None:
        raise _disagreement(name, "a handler takes what was gathered or its caller, not both")
    return Entry(
        verb=verb,
        name=name,
        kind=kind,
        handler=handler,
        prepare=prepare,
        gather=gather,
        decoder=msgspec.msgpack.Decoder(verb),
        takes_caller=takes_caller,
        kept=verb() if verb.keeps_reply else None,
    )


def _agree(name: str, function: Callable[..., Any], *, at: int, takes: Any, gives: Any) -> None:
    """Compare what is annotated with what is declared."""
    parameters = list(inspect.signature(function).parameters)
    if len(parameters) <= at:
        raise _disagreement(name, f"{_where(function)} takes no request")
    for what, found, declared in (
        ("takes", _annotation(name, function, parameters[at]), takes),
        ("returns", _annotation(name, function, "return"), gives),
    ):
        if found != declared:
            raise _disagreement(name, f"{_where(function)} {what} {_shown(found)} instead of {_shown(declared)}")


def _last_argument(name: str, handler: Any) -> Any:
    function = cast("Callable[..., Any]", handler.function if isinstance(handler, Unit) else handler)
    return _annotation(name, function, list(inspect.signature(function).parameters)[-1])


def _annotation(name: str, function: Callable[..., Any], of: str) -> Any:
    # Only these two are resolved: other names of the module may not exist at run time.
    written = function.__annotations__.get(of)
    if not isinstance(written, str):
        return written
    try:
        return eval(written, function.__globals__)
    except NameError as error:
        raise _disagreement(
            name, f"{_where(function)} names {error.name}, which it imports for type checkers only"
        ) from error


def _disagreement(name: str, why: str) -> Problem:
    return invalid(f"cannot start: the verb {name} is not declared as it is handled: {why}")


def _where(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _shown(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)


_UNKNOWN_FIELD = re.compile(r"contains unknown field `(?P<name>.*?)`(?P<rest>.*)", re.DOTALL)


_OUTSIDE = re.compile(
    r"Expected `(?:int|float)(?: \| null)?` (?P<sign>[<>]=?) (?P<limit>\S+) - at `\$\.(?P<field>[^`]+)`"
)
_SIGNS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


def _explained(error: Exception, entry: Entry, body: msgspec.Raw) -> tuple[str, str | None]:
    """What msgspec raised about a request, as a sentence and a hint."""
    message = str(error)
    fields = list(entry.verb.__struct_fields__)
    if (match := _OUTSIDE.fullmatch(message)) and (value := _value_of(body, match["field"])) is not None:
        # As a command refuses the value of its option.
        limit = float(match["limit"]) if "." in match["limit"] else int(match["limit"])
        return (
            f"cannot take {number_text(value)} for {match['field']}",
            f"it must be {_SIGNS[match['sign']]} {number_text(limit)}",
        )
    if match := _UNKNOWN_FIELD.search(message):
        name = match["name"][:_LONGEST_NAME]
        near = difflib.get_close_matches(name, fields, n=1)
        if match["rest"]:
            # Not of the request itself but of something in it, whose fields are not listed here.
            return f"cannot do {entry.name}: it has no field {name!r}{match['rest'].replace('$.', '')}", None
        known = f"known are {', '.join(fields)}" if fields else "it takes none"
        return f"cannot do {entry.name}: it has no field {name!r}", f"did you mean {near[0]}?" if near else known
    reason = shorten(why_undecodable(error), _LONGEST_REASON)
    return f"cannot do {entry.name}: {reason.replace('`$.', '`')}", None


def _value_of(body: msgspec.Raw, field: str) -> float | None:
    """The number in a field of a request, `limit` or `spec.interval`."""
    try:
        found: Any = msgspec.msgpack.decode(body)
    except UNDECODABLE:
        return None
    for name in field.split("."):
        found = found.get(name) if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]
    return found if isinstance(found, int | float) else None
