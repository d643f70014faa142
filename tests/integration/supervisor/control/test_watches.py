"""Watches and pages: events from a cursor, logs, and a client that does not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.verbs import ListLoops, PauseLoop
from ftl2_enterprise.protocol.service.verbs import GetVersion, ListEvents, WatchEvents, WatchLogs
from ftl2_enterprise.wiring.database import open_database
from tests.integration.supervisor.control.requests import elsewhere, submit
from tests.support.data.facts import Noted
from tests.support.service.control_process import control
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def test_events_of_every_writer_are_followed_from_a_cursor(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        watch = client.watch(WatchEvents(after=0))
        submit(service)
        assert next(watch).kind == "loop.created"
        elsewhere(service)
        assert next(watch).kind == "test.noted"
        # Calls continue concurrently.
        assert client.call(GetVersion()).program == "0.1.0"
        watch.close()
        of_loop = client.watch(WatchEvents(subject="web", after=0))
        assert next(of_loop).kind == "loop.created"
        of_loop.close()
        with pytest.raises(Problem, match="web2"):
            next(client.watch(WatchEvents(subject="web2")))


def test_a_page_of_events_has_the_cursor_of_the_next(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        for number in range(4):
            elsewhere(service, number)
        submit(service)
        first = client.call(ListEvents(limit=3))
        assert ([fact_of(one) for one in first.events], first.cursor) == ([Noted(n=n) for n in range(3)], 3)
        second = client.call(ListEvents(after=first.cursor, limit=2))
        assert [one.id for one in second.events] == [4, 5]
        rest = client.call(ListEvents(after=second.cursor))
        assert (rest.events, rest.cursor) == ([], 5)
        # None of this loop, but all events were examined.
        assert client.call(ListEvents(subject="web", limit=2)).cursor == 5
        assert [one.id for one in client.call(ListEvents(newest=True, limit=2)).events] == [4, 5]
        # The facts of a deleted loop are found by its id.
        assert client.call(ListEvents(subject="1")).events
        with pytest.raises(Problem):
            client.call(ListEvents(subject="77"))


def test_a_cursor_after_the_last_event_is_refused(tmp_path: Path) -> None:
    """As of a reader of a database whose backup was restored since: the next events get ids that it has passed."""
    with control(tmp_path) as service, service.connect() as client:
        elsewhere(service)
        last = client.call(ListEvents()).cursor
        assert client.call(ListEvents(after=last)).events == []
        refusal = f"cannot continue after the event {last + 1}: {last} is the last one; .* continue after {last}"
        with pytest.raises(Problem, match=refusal):
            client.call(ListEvents(after=last + 1))
        with pytest.raises(Problem, match=refusal):
            next(client.watch(WatchEvents(after=last + 1)))
        watch = client.watch(WatchEvents(after=last))
        elsewhere(service, 7)
        assert fact_of(next(watch)) == Noted(n=7)
        watch.close()


def test_the_log_of_a_loop_is_followed(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        submit(service)
        watch = client.watch(WatchLogs(subject="web", follow=True))
        assert next(watch).message == "loop.created"
        client.call(PauseLoop(loop="web"))
        assert next(watch).message == "loop.desired"
        assert next(watch).message == "loop.paused"
        watch.close()
        assert [one.message for one in client.watch(WatchLogs(subject="web", last=1))] == ["loop.paused"]


def test_the_cached_list_is_never_outdated(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        assert client.call(ListLoops()).loops == []
        for number in range(10):
            submit(service, f"web{number}")
            assert len(client.call(ListLoops()).loops) == number + 1
        until(lambda: len(service.root.table) == 10)
        until(lambda: all(line.pid for line in client.call(ListLoops()).loops))
        key = next(iter(service.root.table))
        pid = service.root.table[key]["pid"]
        service.root.end(key)
        until(lambda: all(line.pid != pid for line in client.call(ListLoops()).loops))


def test_a_watch_that_is_not_read_slows_no_other_client(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        store = open_database(service.directory / "loops.db", create=False)
        with store.write() as tx:
            for number in range(3000):
                tx.emit(Noted(text=f"{number} {'x' * 1500}"), subject="")
        lazy = [service.connect() for _ in range(10)]
        watches = [one.watch(WatchEvents(after=0)) for one in lazy]
        before = _rss(service.pid)
        for _ in range(50):
            assert client.call(GetVersion(), timeout=5.0).protocol == 1
        assert submit(service).name == "web"
        # Ten clients that are owed 4.5 MB each are not held for in memory.
        assert _rss(service.pid) - before < 20_000
        store.close()
        assert [next(watches[0]).data["text"].split()[0] for _ in range(3000)] == [str(n) for n in range(3000)]
        for one in lazy:
            one.close()


def _rss(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
