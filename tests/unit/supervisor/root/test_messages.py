"""Root and control declare their messages separately, because root loads no msgspec; the two must agree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast, get_args

import msgspec
import pytest

from ftl2_enterprise.core.children import Urgency
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.supervisor.control import root_messages as structs
from ftl2_enterprise.supervisor.root import messages
from ftl2_enterprise.supervisor.root.channel import pair
from ftl2_enterprise.supervisor.root.child_table import ChildRecord
from ftl2_enterprise.supervisor.root.control_link import ControlLink
from ftl2_enterprise.supervisor.root.event_loop import EventLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.supervisor.root.control_link import ControlOwner

CHILD = ChildRecord("loop:1", 7)
CHILD.status, CHILD.ended = 9, CHILD.started + 2.5
LINE = {"key": "loop:1", "pid": 7, "at": 5, "stopping": True, "old": True}
PROCESS = {"name": "writer", "pid": 7, "since": 5, "restarts": 2}
HEADER = {
    "started_at": 5, "booted": True, "draining": True, "processes": [PROCESS], "alive_each": 1.5, "problem": "none",
}  # fmt: skip
FROM_ROOT: list[tuple[dict[str, Any], msgspec.Struct]] = [
    (
        messages.hello(HEADER, [LINE], more=True),
        structs.RootHello(
            started_at=5, booted=True, draining=True, alive_each=1.5, problem="none", more=True,
            table=[structs.TableLine(key="loop:1", pid=7, at=5, stopping=True, old=True)],
            processes=[structs.ProcessLine(name="writer", pid=7, since=5, restarts=2)],
        ),
    ),
    (messages.started(CHILD), structs.ChildStarted(key="loop:1", pid=7, at=CHILD.at)),
    (
        messages.ended(CHILD, "killed") | {"number": 3},
        structs.ChildEnded(key="loop:1", pid=7, at=CHILD.at, why=Why.KILLED, signal=9, ran=2.5, number=3),
    ),
    (
        messages.not_started("loop:1", "no memory"),
        structs.ChildEnded(key="loop:1", why=Why.NOT_STARTED, text="no memory"),
    ),
    (messages.drain(), structs.DrainRequested()),
    (messages.reload(), structs.ReloadRequested()),
    (
        messages.processes([PROCESS]),
        structs.ProcessesChanged(processes=[structs.ProcessLine(name="writer", pid=7, since=5, restarts=2)]),
    ),
    (messages.problem("clients cannot connect"), structs.RootProblem(text="clients cannot connect")),
    (messages.listen(), structs.ListenerGiven()),
]  # fmt: skip
TO_ROOT: list[tuple[msgspec.Struct, tuple[Any, ...]]] = [
    (
        structs.StartChild(key="loop:1", argument="x", cgroup=structs.CgroupLimits(memory=5), log="/log"),
        ("start_child", "loop:1", "x", {"memory": 5}, "/log"),
    ),
    (structs.StartChild(key="loop:1", argument=""), ("start_child", "loop:1", "", None, None)),
    (structs.StopChild(key="loop:1", urgency=Urgency.NOW, within=2.0), ("stop_child", "loop:1", "now", 2.0)),
    (structs.WakeChild(key="loop:1"), ("wake_child", "loop:1")),
    (structs.EndRecorded(number=3), ()),
    (structs.Alive(), ("control_is_alive",)),
    (structs.ControlReady(), ("control_is_ready",)),
    (structs.Reloading(), ("control_reloads",)),
    (structs.ShowStatus(text="idle"), ("set_status", "idle")),
    (structs.StopService(urgency="drain"), ("shut_down", False)),
    (structs.StopService(urgency="now"), ("shut_down", True)),
    (structs.UpgradeService(), ("upgrade_in_place",)),
]


def test_no_message_is_left_out() -> None:
    assert {type(struct) for _, struct in FROM_ROOT} == set(get_args(structs.FromRoot.__value__))
    assert {type(struct) for struct, _ in TO_ROOT} == set(get_args(structs.ToRoot.__value__))


@pytest.mark.parametrize(("message", "struct"), FROM_ROOT)
def test_control_decodes_every_message_of_root(message: dict[str, Any], struct: msgspec.Struct) -> None:
    decoded: msgspec.Struct = msgspec.json.decode(json.dumps(message), type=structs.FromRoot)
    assert decoded == struct
    # No field is one that control does not know, as it would ignore it.
    assert set(message) <= {"type", *type(struct).__struct_fields__}


class Owner:
    """Remembers what control requested."""

    def __init__(self) -> None:
        self.called: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*arguments: Any, **named: Any) -> None:
            self.called = (name, *arguments, *named.values())

        return call


@pytest.mark.parametrize(("struct", "called"), TO_ROOT)
def test_root_executes_every_message_of_control(struct: msgspec.Struct, called: tuple[Any, ...]) -> None:
    owner, loop, (ours, theirs) = Owner(), EventLoop(), pair()
    link = ControlLink(loop, cast("ControlOwner", owner), alive_within=10.0, watchdog=None)
    link.attach(ours)
    link.restore([{**messages.not_started("loop:1", "no memory"), "number": 3}])
    theirs.send(msgspec.json.encode(struct))
    loop.turn()
    assert owner.called == called
    assert len(link.unrecorded) == (0 if isinstance(struct, structs.EndRecorded) else 1)
    link.detach()
    theirs.close()
