"""Which handler answers which verb, and how an invalid request is refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping  # noqa: TC003 - dispatch reads the annotations
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
import pytest
from msgspec import Meta

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.core.settings.sections import AccessSettings
from ftl2_enterprise.protocol.verb import Access, Request, Watch
from ftl2_enterprise.store.unit import Unit
from ftl2_enterprise.supervisor.control.access import Guard, Peer
from ftl2_enterprise.supervisor.control.dispatch import Dispatch, Handlers, Kind

if TYPE_CHECKING:
    from ftl2_enterprise.core.children import Child
    from ftl2_enterprise.store.tx import Tx

ROOT = Peer(uid=0, pid=1, name="root", groups=frozenset())
STRANGER = Peer(uid=4242, pid=1, name="nobody", groups=frozenset())
GUARD = Guard(AccessSettings())


class Read(Request[list[str]], frozen=True, tag="thing.read"):
    name: str
    size: int = 1
    part: Annotated[float, Meta(ge=0, le=1)] = 0.0


class Push(Request[int], frozen=True, tag="thing.push"):
    access: ClassVar[Access] = Access.OPERATE
    writes: ClassVar[bool] = True
    starts_work: ClassVar[bool] = True


class Stats(Request[float], frozen=True, tag="thing.stats"):
    pass


class Follow(Watch[str], frozen=True, tag="thing.follow"):
    pass


def read(tx: Tx, request: Read, children: Mapping[str, Child]) -> list[str]:
    return [request.name] * request.size


def push(tx: Tx, request: Push) -> int:
    return 1


async def prepare(request: Push) -> Push:
    return request


async def gather(request: Read) -> str:
    return request.name


def read_with(tx: Tx, request: Read, children: Mapping[str, Child], gathered: str) -> list[str]:
    return [gathered]


def read_with_number(tx: Tx, request: Read, children: Mapping[str, Child], gathered: int) -> list[str]:
    return []


async def gather_statistics(request: Stats) -> str:
    return ""


async def stats(control: object, request: Stats, peer: Peer) -> float:
    return 0.5


async def follow(control: object, request: Follow) -> AsyncGenerator[str]:
    yield "a"


CATALOGUE: dict[str, Any] = {"thing.read": Read, "thing.push": Push, "thing.stats": Stats, "thing.follow": Follow}
GOOD = Handlers(
    reads={Read: read},
    writes={Push: Unit("test.push", push)},
    prepares={Push: prepare},
    system={Stats: stats},
    watches={Follow: follow},
)
DISPATCH = Dispatch(GOOD, CATALOGUE)


def find(body: Any, peer: Peer = ROOT, **values: Any) -> Any:
    raw = msgspec.Raw(msgspec.msgpack.encode(body))
    return DISPATCH.find(raw, peer, GUARD, **values).decode(raw)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x81\xa4type\xa1\xff", "cannot understand the request: it does not name a verb in `type`"),
        (b"\x82\xa4type\xaathing.read\xa4name\xa1\xff", "cannot do thing.read: a text in it is not UTF-8"),
        # The field that is named in the reason is decoded once more.
        (b"\x83\xa4type\xaathing.read\xa4part\x07\xa4name\xa1\xff", "cannot do thing.read: "),
    ],
)
def test_bytes_that_are_not_utf8_are_refused(body: bytes, message: str) -> None:
    raw = msgspec.Raw(body)
    with pytest.raises(Problem) as refused:
        DISPATCH.find(raw, ROOT, GUARD).decode(raw)
    assert refused.value.code is Code.INVALID
    assert refused.value.message.startswith(message)


def test_each_kind_of_verb_is_found_with_its_handler() -> None:
    kinds = {
        "thing.read": Kind.READ,
        "thing.push": Kind.WRITE,
        "thing.stats": Kind.SYSTEM,
        "thing.follow": Kind.WATCH,
    }
    for name, kind in kinds.items():
        entry = DISPATCH.find(msgspec.Raw(msgspec.msgpack.encode({"type": name})), ROOT, GUARD)
        assert (entry.kind, entry.verb) == (kind, CATALOGUE[name])
    assert find(Read(name="web", size=3)) == Read(name="web", size=3)


def other_reply(tx: Tx, request: Read, children: Mapping[str, Child]) -> list[int]:
    return []


def other_request(tx: Tx, request: Push, children: Mapping[str, Child]) -> list[str]:
    return []


def no_request(tx: Tx) -> int:
    return 1


def unknown_name(tx: Tx, request: Read, children: Mapping[str, Child]) -> Missing:  # noqa: F821 # pyright: ignore
    return []


def not_async(control: object, request: Stats, peer: Peer) -> float:
    return 0.5


async def other_item(control: object, request: Follow) -> AsyncGenerator[int]:
    yield 1


async def other_preparation(request: Push) -> Read:
    return Read(name="")


class Foreign(Request[int], frozen=True, tag="other.verb"):
    pass


PUSH = Unit("test.push", push)


@pytest.mark.parametrize(
    ("handlers", "message"),
    [
        (replace(GOOD, reads={}), "thing.read is not declared as it is handled: it has no handler"),
        (replace(GOOD, system={Stats: stats, Read: stats}), "thing.read .* it has 2 handlers"),
        (replace(GOOD, reads={Read: other_reply}), r"returns list\[int\] instead of list\[str\]"),
        (replace(GOOD, reads={Read: other_request}), "takes Push instead of Read"),
        (replace(GOOD, reads={Read: unknown_name}), "names Missing, which it imports for type checkers only"),
        (replace(GOOD, gathers={Read: gather}, reads={Read: read_with_number}), "gather returns str instead of int"),
        (replace(GOOD, gathers={Read: gather_statistics}, reads={Read: read_with}), "takes Stats instead of Read"),
        (
            replace(GOOD, gathers={Stats: gather_statistics}),
            "only for what is read and written something is gathered",
        ),
        (replace(GOOD, writes={Push: Unit("test.none", no_request)}), "takes no request"),
        (replace(GOOD, writes={Push: push}), "push is not a unit of work"),
        (replace(GOOD, writes={}, reads={Read: read, Push: push}), "do not agree on whether it writes"),
        (replace(GOOD, reads={}, writes={Push: PUSH, Read: PUSH}), "do not agree on whether it writes"),
        (replace(GOOD, system={Stats: not_async}), "system handlers are coroutine functions"),
        (replace(GOOD, reads={Read: stats}), "takes Stats instead of Read"),
        (replace(GOOD, watches={Follow: other_item}), r"returns .*AsyncGenerator\[int"),
        (replace(GOOD, watches={}, system={Stats: stats, Follow: stats}), "a watch is answered by a watcher"),
        (replace(GOOD, prepares={Push: other_preparation}), "returns Read instead of Push"),
        (replace(GOOD, prepares={Read: prepare}), "only what is written is prepared"),
        (replace(GOOD, system={Stats: stats, Foreign: stats}), "other.verb .* it is not in the catalogue"),
    ],
)
def test_the_service_does_not_start_with_a_handler_that_disagrees_with_its_verb(
    handlers: Handlers, message: str
) -> None:
    with pytest.raises(Problem, match=f"cannot start: the verb .*{message}"):
        Dispatch(handlers, CATALOGUE)


def test_the_handlers_of_capabilities_are_joined_unless_two_answer_the_same_verb() -> None:
    parts = [Handlers(reads=GOOD.reads), Handlers(writes=GOOD.writes, prepares=GOOD.prepares)]
    rest = Handlers(system=GOOD.system, watches=GOOD.watches)
    assert rest.joined(*parts) == GOOD
    with pytest.raises(Problem, match=r"the verb thing\.push .* two capabilities have its writes"):
        rest.joined(*parts, Handlers(writes=GOOD.writes))


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ({"type": "thing.raed"}, "cannot do 'thing.raed': there is no such verb", "did you mean thing.read?"),
        ({"type": "x" * 5000}, f"cannot do '{'x' * 40}…': there is no such verb", "`ftl2ctl help` lists the verbs"),
        ({"no": "type"}, "cannot understand the request: it does not name a verb in `type`", None),
        ([1], "cannot understand the request: it does not name a verb in `type`", None),
        ({"type": 7}, "cannot understand the request: it does not name a verb in `type`", None),
        (
            {"type": "thing.read", "nam": "web"},
            "cannot do thing.read: it has no field 'nam'",
            "did you mean name?",
        ),
        (
            {"type": "thing.read", "name": "web", "wrong": 1},
            "cannot do thing.read: it has no field 'wrong'",
            "known are name, size, part",
        ),
        ({"type": "thing.stats", "x": 1}, "cannot do thing.stats: it has no field 'x'", "it takes none"),
        ({"type": "thing.read", "name": 5}, "cannot do thing.read: expected `str`, got `int` - at `name`", None),
        ({"type": "thing.read"}, "cannot do thing.read: object missing required field `name`", None),
        ({"type": "thing.read", "name": "web", "part": 7.5}, "cannot take 7.5 for part", "it must be at most 1"),
        ({"type": "thing.read", "name": "web", "part": -1}, "cannot take -1 for part", "it must be at least 0"),
        (
            {"type": "thing.read", "name": "web", "size": 2**63},
            "cannot do thing.read: the number in `size` is too large",
            None,
        ),
    ],
)
def test_an_invalid_request_is_refused_with_a_reason(body: Any, message: str, hint: str | None) -> None:
    with pytest.raises(Problem) as refused:
        find(body)
    assert refused.value.code is Code.INVALID
    assert (refused.value.message, refused.value.hint) == (message, hint)


def test_access_is_denied_before_the_rest_of_the_request_is_checked() -> None:
    with pytest.raises(Problem) as refused:
        find({"type": "thing.push", "wrong": 1}, STRANGER)
    assert refused.value.code is Code.DENIED


def test_a_draining_service_refuses_only_what_starts_work() -> None:
    assert find(Stats(), draining=True) == Stats()
    with pytest.raises(Problem, match=r"cannot do thing\.push: the service is stopping") as refused:
        find(Push(), draining=True)
    assert refused.value.code is Code.UNAVAILABLE
