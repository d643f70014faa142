"""A loop that is deleted while clients watch it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import CancelLoop, DeleteLoop
from ftl2_enterprise.protocol.service.verbs import GetHealth, ListEvents, WatchEvents, WatchLogs
from tests.support.service.effects_oracle import manifest
from tests.support.terminal.screen import shell
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service.daemon import Daemon


class Watcher(threading.Thread):
    """Takes in a watch until it ends, and how it ended."""

    def __init__(self, service: Daemon, request: Any) -> None:
        super().__init__(daemon=True)
        self.items: list[Any] = []
        self.ended: Problem | None = None
        self._connection = service.connect()
        self._request = request

    def run(self) -> None:
        try:
            with self._connection as connection:
                self.items.extend(connection.watch(self._request))
        except Problem as problem:
            self.ended = problem


def test_a_loop_that_is_deleted_while_it_is_watched(service: Daemon, tmp_path: Path) -> None:
    (tmp_path / "web").touch()
    service.submit("web", manifest("web", tmp_path / "web", before=f"touch {tmp_path}/begun; sleep 600"))
    until((tmp_path / "begun").exists)
    cursor = service.call(ListEvents(newest=True, limit=1)).cursor
    watchers = [
        Watcher(service, WatchEvents(subject="web")),
        Watcher(service, WatchEvents(subject="web", after=0)),
        Watcher(service, WatchLogs(subject="web", follow=True)),
        Watcher(service, WatchEvents()),
    ]
    for one in watchers:
        one.start()
    with shell(service.socket, tmp_path, "watch", "web") as screen:
        screen.see("web")
        service.kill("loop:web")
        service.call(CancelLoop(loop="web"))
        service.until_state("web", LoopState.CANCELLED)
        until(lambda: service.lines()["web"].pid is None)
        service.call(DeleteLoop(loop="web"))
        status = screen.end()
        assert "Traceback" not in screen.raw
        print(status, screen.text)
    assert service.lines() == {}
    # The event log keeps that it existed, and a watch of everything has received its deletion.
    kinds = [event.kind for event in service.call(ListEvents(after=cursor)).events]
    assert kinds[-1] == "loop.deleted"
    until(lambda: any(event.kind == "loop.deleted" for event in watchers[3].items) or watchers[3].ended)
    assert watchers[3].ended is None
    # The service answers on, and the name can be used again.
    assert service.call(GetHealth()).ok
    service.submit("web", manifest("web", tmp_path / "web"))
    assert service.until_state("web", LoopState.COMPLETED).outcome is Outcome.CONVERGED
