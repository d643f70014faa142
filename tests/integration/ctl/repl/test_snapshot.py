"""What the shell shows of the service follows it closely, also when a query had to wait."""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.loops.shell_part import PART
from ftl2_enterprise.ctl.repl.snapshot import LiveSnapshot
from ftl2_enterprise.protocol.loops.facts import LoopPaused
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.loops.replies import LoopPage
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, ListRules
from ftl2_enterprise.protocol.service.verbs import WatchEvents
from ftl2_enterprise.render.colour import Painter
from tests.support.data import builders
from tests.support.scripted.scripted_service import ScriptedService, Stream
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def test_a_query_that_had_to_wait_does_not_delay_the_next_ones(tmp_path: Path) -> None:
    """A service that is being started lets the connection wait; the next query is made soon all the same."""
    states = [LoopState.RESTING]
    waits = threading.Event()
    events = Stream()

    def listed(request: ListLoops) -> LoopPage:
        page = LoopPage(loops=[builders.loop_line("web", state=states[-1])])
        assert waits.wait(20)
        return page

    with ScriptedService(tmp_path / "control.sock") as service:
        service.on(ListLoops, listed)
        service.on(ListPrompts, [])
        service.on(ListRules, [])
        service.on(WatchEvents, events)
        live = LiveSnapshot(
            Painter(stream=io.StringIO(), is_terminal=False, has_colour=False),
            str(service.path),
            lambda before, after: None,
            parts={"loops": PART},
        )

        def shown() -> list[LoopState]:
            return [loop.state for loop in live.now.states["loops"].loops] if live.now.is_read else []

        live.start()
        until(lambda: service.asked_for(ListLoops))
        begun = time.monotonic()
        until(lambda: time.monotonic() > begun + 2.0)
        states.append(LoopState.PAUSED)
        waits.set()
        until(lambda: shown() == [LoopState.RESTING], seconds=5)
        events.send(builders.event(1, LoopPaused))
        until(lambda: shown() == [LoopState.PAUSED], seconds=5)
        live.stop()
