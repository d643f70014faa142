"""A scripted service for the shell of ftl2ctl, and what tests of the shell share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import (
    Desired,
    LoopState,
)
from ftl2_enterprise.protocol.loops.verbs import (
    PauseLoop,
)
from tests.support.data import builders
from tests.support.scripted.fake_service import PlayedService
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.service.verbs import WatchEvents
    from tests.support.scripted.scripted_service import Stream
    from tests.support.terminal.screen import Screen


class ShellService(PlayedService):
    """Has two loops, and pauses the requested one."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, ["web", "database"])
        self.on(PauseLoop, builders.loop(desired=Desired.PAUSE, state=LoopState.PAUSED))

    def since(self, request: WatchEvents, *events: Event) -> Stream:
        """The stream, preceded by those of the events that come after the cursor of the watch."""
        self.events.first = [one for one in events if request.after is not None and one.id > request.after]
        return self.events


def wait_for_watch(service: ShellService) -> None:
    """Wait until the shell watches events."""
    until(lambda: service.events.watchers)


def works(screen: Screen) -> None:
    """The shell still runs commands."""
    screen.enter("pause web")
    screen.see("web: paused")
