"""Root's side of what it and control say to one another."""

from __future__ import annotations

import json
import math
import os

from ftl2_enterprise.supervisor.root.channel import LARGEST, Channel
from ftl2_enterprise.supervisor.root.config import CONTROL, OWN
from ftl2_enterprise.supervisor.root.forkserver_link import Request
from ftl2_enterprise.supervisor.root.stderr import WARNING, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from ftl2_enterprise.supervisor.root.channel import Message
    from ftl2_enterprise.supervisor.root.child_table import Child
    from ftl2_enterprise.supervisor.root.event_loop import Timer
    from ftl2_enterprise.supervisor.root.main import Root

MOST_UNRECORDED = 2048
"""Of ends: fewer than may wait for control, so that a new one can be told of all of them."""
ROOM = LARGEST - 8192
"""For the lines of the table in one message."""
ALIVE_EACH, SILENT_FOR = 1 / 3, 2 / 3
"""Parts of the service manager's watchdog period: control looks at least so often, and is killed, before everything
else is with it, when it was silent for so long."""


class Control:
    """The channel to control, which may be missing at any time."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self.channel: Channel | None = None
        self.unrecorded: dict[int, Message] = {}
        """Ends by their numbers: what was sent to a control that died may never have been read."""
        self._last_end = 0
        self._alive: Timer | None = None

    def connect(self, end: socket.socket) -> None:
        """A new control: tell it everything."""
        self.attach(end)
        self._hello()

    def attach(self, end: socket.socket) -> None:
        """Talk to a control that knows everything."""
        self.lost()
        self.channel = Channel(CONTROL, end, self._root.loop, received=self._received, closed=self._hung_up)

    def lost(self) -> None:
        """Control has ended."""
        if self._alive is not None:
            self._alive.cancel()
            self._alive = None
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    # --- telling -------------------------------------------------------------------------------------------------

    def tell_started(self, child: Child) -> None:
        """A child lives."""
        self._send({"started": child.key, "pid": child.pid, "at": child.at})

    def tell_not_started(self, key: str, why: str) -> None:
        """A child could not be started."""
        self._tell_end({"ended": key, "pid": None, "at": None, "why": "not_started", "status": None, "signal": None,
                        "ran": 0.0, "text": why})  # fmt: skip

    def tell_ended(self, child: Child, why: str) -> None:
        """Nothing is left of a child."""
        status = child.status or 0
        signaled = os.WIFSIGNALED(status)
        self._tell_end({
            "ended": child.key, "pid": child.pid, "at": child.at, "why": why,
            "status": None if signaled else os.WEXITSTATUS(status),
            "signal": os.WTERMSIG(status) if signaled else None, "ran": round(child.ended - child.started, 6),
            "text": None,
        })  # fmt: skip

    def tell(self, word: str) -> None:
        """`drain` or `reload`."""
        self._send({word: True})

    def tell_processes(self) -> None:
        """One of the supervisor's own processes was started or has ended."""
        self._send({"processes": self._root.own.lines()})

    def tell_problem(self) -> None:
        """What is wrong, or no longer."""
        self._send({"problem": self._root.listening.problem})

    def give(self, listener: socket.socket) -> bool:
        """Have it listen here from now on; False when it cannot be told now."""
        return self.channel is not None and self.channel.send({"listen": True}, [listener.fileno()])

    def restore(self, unrecorded: list[Message]) -> None:
        """Take over the ends that the program before had told of, or could not tell of."""
        for message in unrecorded:
            self._last_end = message["number"]
            self.unrecorded[self._last_end] = message

    def _tell_end(self, message: Message) -> None:
        self._last_end += 1
        message["number"] = self._last_end
        self.unrecorded[self._last_end] = message
        if len(self.unrecorded) > MOST_UNRECORDED:
            del self.unrecorded[next(iter(self.unrecorded))]
        self._send(message)

    def _send(self, message: Message) -> bool:
        if self.channel is None:
            return False
        if self.channel.send(message):
            return True
        if self.channel.is_full:
            # It reads nothing, so there is no use in it.
            self._kill()
        return False

    def _hello(self) -> None:
        root = self._root
        watchdog = root.systemd.watchdog
        header: Message = {
            "started_at": root.started_at, "booted": not root.was_ready, "draining": root.ending.is_begun,
            "processes": root.own.lines(), "alive_each": None if watchdog is None else watchdog * ALIVE_EACH,
            "problem": root.listening.problem,
        }  # fmt: skip
        lines = [
            {
                "key": child.key, "pid": child.pid, "at": child.at, "stopping": child.stopping,
                "old": child.generation != root.generation,
            }
            for child in root.table if not child.is_own
        ]  # fmt: skip
        parts = split(lines)
        ends = list(self.unrecorded.values())
        if ends:
            # It is not to look, and start something anew, before it knows of them.
            parts.append([])
        for part in parts[:-1]:
            self._send({"hello": {"table": part, **header, "more": True}})
        for message in ends:
            self._send(message)
        self._send({"hello": {"table": parts[-1], **header, "more": False}})

    # --- listening -----------------------------------------------------------------------------------------------

    def _received(self, message: Message) -> None:
        root = self._root
        match message:
            case {"start": str(key)}:
                self._start(key, message)
            case {"stop": str(key), "urgency": str(urgency), "within": int() | float() as within}:
                self._stop(key, urgency, float(within))
            case {"wake": str(key)}:
                child = root.table.get(key)
                if child is not None and not child.is_own:
                    root.children.wake(child)
            case {"recorded": int() as number}:
                self.unrecorded.pop(number, None)
            case {"alive": True}:
                self._is_alive()
            case {"ready": True}:
                root.control_is_ready()
            case {"reloading": True}:
                root.reloading()
            case {"status": str(text)}:
                root.set_status(text)
            case {"shutdown": "drain" | "now" as urgency}:
                root.ending.begin(now=urgency == "now")
            case {"upgrade": True}:
                root.upgrade.begin()
            case _:
                raise ValueError("no such message")

    def _start(self, key: str, message: Message) -> None:
        root = self._root
        if key.partition("@")[0] in OWN or ":" not in key:
            raise ValueError("it is no key for control to start")
        if root.ending.is_begun:
            self.tell_not_started(key, "the service is stopping")
            return
        child = root.table.get(key)
        if child is not None and child.status is None:
            self.tell_started(child)
            return
        if root.forker.find(key) is not None:
            return
        limits: dict[str, object] | None = message.get("cgroup")
        log: str | None = message.get("log")
        if type(message.get("cgroup", {})) not in {dict, type(None)}:
            raise TypeError("cgroup is an object or null")
        root.forker.request(Request(key, str(message.get("argument", "")), limits=limits, log=log))

    def _stop(self, key: str, urgency: str, within: float) -> None:
        if not 0 <= within < math.inf:
            raise ValueError("it is no time")
        root = self._root
        child = root.table.get(key)
        if child is not None:
            if child.is_own:
                raise ValueError("it is no key for control to stop")
            root.children.stop(child, urgency, within)
        elif root.forker.forget(key):
            self.tell_not_started(key, "it was asked to end before it began")
        elif (request := root.forker.find(key)) is not None:
            request.stop = (urgency, within)

    def _is_alive(self) -> None:
        root = self._root
        if self._alive is not None:
            self._alive.cancel()
        within, watchdog = root.config.alive_within, root.systemd.watchdog
        self._alive = root.loop.after(min(within, watchdog * SILENT_FOR) if watchdog else within, self._silent)
        if not root.ending.is_begun:
            root.systemd.say("WATCHDOG=1")

    def _silent(self) -> None:
        say("control does not say any more that it is alive, and is killed", WARNING)
        self._kill()

    def _hung_up(self) -> None:
        self.lost()
        child = self._root.table.get(CONTROL)
        if child is not None:
            self._root.children.expect_end(child)

    def _kill(self) -> None:
        child = self._root.table.get(CONTROL)
        if child is not None:
            self._root.children.kill(child, "hung")


def split(lines: list[Message], room: int = ROOM) -> list[list[Message]]:
    """The lines in parts that fit into a message each; one empty part when there are none."""
    parts: list[list[Message]] = [[]]
    size = 0
    for line in lines:
        size += len(json.dumps(line))
        if size > room:
            parts.append([])
            size = len(json.dumps(line))
        parts[-1].append(line)
    return parts
