"""Odd moments of a whole service: a flood that is cut, a second service, a loop that goes while it is watched."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import ActionState, LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import CancelLoop, DeleteLoop, ListActions
from ftl2_enterprise.protocol.service.verbs import GetHealth, ListEvents, WatchEvents, WatchLogs
from tests.support.daemon import Daemon, daemon
from tests.support.effects_oracle import hold_against, manifest, nothing_open
from tests.support.gated_loop import hold
from tests.support.process_marks import none_left
from tests.support.screen import shell
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOOD = """\
version: 1
name: flood
steps:
  - name: flood
    check: {{path: {base}/flooded}}
    action:
      module: shell
      params:
        cmd: "touch {base}/begun; test -e {base}/gate || yes 0123456789 | head -c 80000000; touch {base}/flooded"
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    with daemon(tmp_path, supervisor="drain_timeout = 5.0") as made:
        made.start()
        yield made
        assert made.stop() == 0
        assert none_left(made.run, seconds=5)


def resident(pid: int) -> int:
    """Bytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


def test_killed_while_eighty_megabytes_of_output_arrive(service: Daemon, tmp_path: Path) -> None:
    control = service.pids()["control"]
    before = resident(control)
    service.submit("flood", FLOOD.format(base=tmp_path))
    until((tmp_path / "begun").exists)
    old = service.kill("loop:flood")
    (tmp_path / "gate").touch()
    done = service.until_state("flood", LoopState.COMPLETED, LoopState.FAILED)
    assert (done.outcome, done.crashes) == (Outcome.CONVERGED, 1)
    assert service.lines()["flood"].pid != old
    states = [action.state for action in service.call(ListActions(loop="flood")).actions]
    assert states in ([ActionState.SUCCEEDED, ActionState.UNKNOWN], [ActionState.UNKNOWN])
    assert nothing_open(service)
    assert resident(control) - before < 30e6
    assert service.pids()["control"] == control


def test_a_second_service_on_the_database_is_refused_wherever_it_would_listen(
    service: Daemon, tmp_path: Path
) -> None:
    (tmp_path / "web").touch()
    service.submit("web", manifest("web", tmp_path / "web", before=hold(tmp_path)))
    until(lambda: service.lines()["web"].pid)
    pids = service.pids()
    refused = {
        (): f"process {pids['root']} of another service listens there",
        ("--socket", str(tmp_path / "other.sock")): f"the service of process {pids['root']} has it",
    }
    for words, said in refused.items():
        second = service.run.run("supervise", *words)
        assert second.returncode == 75, second.stdout + second.stderr
        assert said in second.stderr
        assert "Traceback" not in second.stderr
    assert service.pids() == pids
    (tmp_path / "gate").touch()
    service.until_state("web", LoopState.COMPLETED)
    hold_against(service, "web", tmp_path / "web", unknown=0)


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
        Watcher(service, WatchEvents(loop="web")),
        Watcher(service, WatchEvents(loop="web", after=0)),
        Watcher(service, WatchLogs(loop="web", follow=True)),
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
    # The log of facts keeps that it was there, and who watches everything has seen it go.
    kinds = [event.kind for event in service.call(ListEvents(after=cursor)).events]
    assert kinds[-1] == "loop.deleted"
    until(lambda: any(event.kind == "loop.deleted" for event in watchers[3].items) or watchers[3].ended)
    assert watchers[3].ended is None
    # The service answers on, and the name can be used again.
    assert service.call(GetHealth()).ok
    service.submit("web", manifest("web", tmp_path / "web"))
    assert service.until_state("web", LoopState.COMPLETED).outcome is Outcome.CONVERGED


def test_a_control_socket_that_was_removed_is_there_again_and_nobody_who_is_connected_notices(
    service: Daemon, tmp_path: Path
) -> None:
    (tmp_path / "web").touch()
    pids = service.pids()
    with service.connect() as before:
        Path(service.socket).unlink()
        until(lambda: Path(service.socket).exists())
        service.submit("web", manifest("web", tmp_path / "web"))
        service.until_state("web", LoopState.COMPLETED)
        assert before.call(GetHealth()).ok
    assert service.pids() == pids
    assert f"{service.socket} was removed or replaced, and is there again" in service.output.read_text()
