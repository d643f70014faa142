"""Root's side of the channel to control."""

from __future__ import annotations

import json

from ftl2_enterprise.supervisor.root import messages
from ftl2_enterprise.supervisor.root.channel import LARGEST, Channel
from ftl2_enterprise.supervisor.root.config import CONTROL, CORE
from ftl2_enterprise.supervisor.stderr import WARNING, write_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from typing import Protocol

    from ftl2_enterprise.supervisor.root.event_loop import EventLoop, Timer
    from ftl2_enterprise.supervisor.root.messages import Message

    class ControlOwner(Protocol):
        """What control requests of root."""

        def start_child(self, key: str, argument: str, limits: dict[str, object] | None, log: str | None) -> None:
            """Fork a process for the key, unless there is one."""
            ...

        def stop_child(self, key: str, urgency: str, within: float) -> None:
            """End the process of the key. Raises ValueError if control may not do that."""
            ...

        def wake_child(self, key: str) -> None:
            """Let the process of the key read its row again."""
            ...

        def control_is_alive(self) -> None:
            """The managers have completed a pass, and the writer acknowledged a unit of work."""
            ...

        def control_is_ready(self) -> None:
            """Clients are served, with the settings that are in effect."""
            ...

        def control_reloads(self) -> None:
            """The settings are being loaded again."""
            ...

        def set_status(self, text: str) -> None:
            """Show a line in the status of the service."""
            ...

        def shut_down(self, *, now: bool) -> None:
            """Stop the service."""
            ...

        def upgrade_in_place(self) -> None:
            """Replace the program by the installed one."""
            ...

        def control_hung_up(self) -> None:
            """Control closed the channel."""
            ...

        def kill_control(self) -> None:
            """Control reads nothing, or sends nothing."""
            ...


MOST_UNRECORDED = 2048
"""Ends of children that are kept: fewer messages than may wait for control, so that a new one can get all of them."""
ROOM = LARGEST - 8192
"""Bytes for the entries of the table in one message."""
ALIVE_EACH, SILENT_FOR = 1 / 3, 2 / 3
"""Parts of the watchdog period of the service manager. Control sends `alive` at least once in the first one. If it is
silent for the second one it is killed, before the service manager kills the whole service."""


class ControlLink:
    """The channel to control, which may be missing at any time.

    `alive_within` is the time, in seconds, after which a control that has sent `alive` once is considered hung.
    """

    def __init__(self, loop: EventLoop, owner: ControlOwner, *, alive_within: float, watchdog: float | None) -> None:
        self._loop = loop
        self._owner = owner
        self._alive_within = min(alive_within, watchdog * SILENT_FOR) if watchdog else alive_within
        self._channel: Channel | None = None
        self._unrecorded: dict[int, Message] = {}
        """Ends by their numbers: a control that died may not have read what it was sent."""
        self._last_end = 0
        self._problems: dict[str, str] = {}
        self._alive: Timer | None = None

    @property
    def is_connected(self) -> bool:
        """Whether there is a control."""
        return self._channel is not None

    def fileno(self) -> int | None:
        """The descriptor of the channel, for the program that root executes in its place."""
        return None if self._channel is None else self._channel.fileno()

    def attach(self, end: socket.socket) -> None:
        """Use the channel to a control that has been greeted."""
        self.detach()
        self._channel = Channel(CONTROL, end, self._loop, received=self._received, closed=self._hung_up)

    def detach(self) -> None:
        """Close the channel, if there is one."""
        if self._alive is not None:
            self._alive.cancel()
            self._alive = None
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    # --- to control ----------------------------------------------------------------------------------------------

    def greet(self, header: Message, table: list[Message]) -> None:
        """Send the state that a new control starts from, and every end that is not recorded yet."""
        parts = split(table)
        ends = list(self._unrecorded.values())
        if ends:
            # The last part follows the ends: control must not check, and start a process, before it knows of them.
            parts.append([])
        for part in parts[:-1]:
            self.send(messages.hello(header, part, more=True))
        for message in ends:
            self.send(message)
        self.send(messages.hello(header, parts[-1], more=False))

    def report_end(self, message: Message) -> None:
        """Send a `messages.ended` or `not_started`, to every control until one has recorded it."""
        self._last_end += 1
        message["number"] = self._last_end
        self._unrecorded[self._last_end] = message
        if len(self._unrecorded) > MOST_UNRECORDED:
            del self._unrecorded[next(iter(self._unrecorded))]
        self.send(message)

    def give_listener(self, listener: socket.socket) -> bool:
        """Have control listen on another socket from now on; False when the message cannot be sent now."""
        return self._channel is not None and self._channel.send(messages.listen(), [listener.fileno()])

    def send(self, message: Message) -> None:
        """Send a message. It is lost without a control; one that reads nothing is killed."""
        if self._channel is not None and not self._channel.send(message) and self._channel.is_full:
            self._owner.kill_control()

    def note_problem(self, part: str, problem: str) -> None:
        """Report what a part of root found wrong; empty if it is resolved. Every later control is greeted with it."""
        self._problems[part] = problem
        self.send(messages.problem(self.problem))

    @property
    def problem(self) -> str:
        """Everything that root found wrong."""
        return "; ".join(problem for problem in self._problems.values() if problem)

    @property
    def unrecorded(self) -> Sequence[Message]:
        """The ends that no control has recorded, for `restore`."""
        return list(self._unrecorded.values())

    def restore(self, unrecorded: Sequence[Message]) -> None:
        """Take over the ends of the program that this process executed before."""
        for message in unrecorded:
            self._last_end = message["number"]
            self._unrecorded[self._last_end] = message

    # --- from control ----------------------------------------------------------------------------------------------

    def _received(self, message: Message) -> None:
        owner = self._owner
        match message:
            case {"type": "start"}:
                key, argument, limits, log = messages.start_of(message)
                if key.partition("@")[0] in CORE or ":" not in key:
                    raise ValueError("control may not start this key")
                owner.start_child(key, argument, limits, log)
            case {"type": "stop", "key": str(key), "urgency": str(urgency), "within": int() | float() as within}:
                owner.stop_child(key, urgency, messages.seconds_of(within))
            case {"type": "wake", "key": str(key)}:
                owner.wake_child(key)
            case {"type": "recorded", "number": int() as number}:
                self._unrecorded.pop(number, None)
            case {"type": "alive"}:
                self._is_alive()
            case {"type": "ready"}:
                owner.control_is_ready()
            case {"type": "reloading"}:
                owner.control_reloads()
            case {"type": "status", "text": str(text)}:
                owner.set_status(text)
            case {"type": "shutdown", "urgency": "drain" | "now" as urgency}:
                owner.shut_down(now=urgency == "now")
            case {"type": "upgrade"}:
                owner.upgrade_in_place()
            case _:
                raise ValueError("there is no such message")

    def _is_alive(self) -> None:
        if self._alive is not None:
            self._alive.cancel()
        self._alive = self._loop.after(self._alive_within, self._silent)
        self._owner.control_is_alive()

    def _silent(self) -> None:
        write_line("control has not sent that it is alive, and is killed", WARNING)
        self._owner.kill_control()

    def _hung_up(self) -> None:
        self.detach()
        self._owner.control_hung_up()


def split(lines: list[Message], room: int = ROOM) -> list[list[Message]]:
    """Split the lines into parts that fit into a message each; one empty part when there are none."""
    parts: list[list[Message]] = [[]]
    size = 0
    for line in lines:
        size += len(json.dumps(line))
        if size > room:
            parts.append([])
            size = len(json.dumps(line))
        parts[-1].append(line)
    return parts
