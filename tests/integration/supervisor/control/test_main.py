"""Control as a process: starting and ending loops through root, draining, and the end of the process."""

from __future__ import annotations

import os
import signal
import socket
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.verbs import ListLoops, PauseLoop, ShowLoop, StartLoop, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import GetHealth, GetVersion, ListEvents, WatchEvents
from ftl2_enterprise.supervisor.control.main import Control
from tests.integration.supervisor.control.requests import elsewhere, submit
from tests.support.service.control_process import control
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

ME = os.geteuid()


def test_a_submitted_loop_is_started_and_its_facts_name_the_actor(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        loop = client.call(SubmitLoop(spec=LoopSpec(name="web", desired_state="nginx answers")))
        (order,) = until(lambda: service.root.heard("start"))
        assert order == {
            "type": "start",
            "key": f"loop:{loop.id}",
            "argument": str(loop.id),
            "cgroup": None,
            "log": None,
        }
        until(lambda: {"type": "status", "text": "1 running"} in service.root.received)
        (created,) = [one for one in client.call(ListEvents()).events if one.kind == "loop.created"]
        assert created.actor is not None
        assert created.actor.endswith(f"(uid {ME}, pid {os.getpid()})")
        (line,) = client.call(ListLoops()).loops
        assert line.pid == service.root.table[f"loop:{loop.id}"]["pid"]


def test_an_end_is_recorded_before_the_next_start(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        key = f"loop:{submit(service).id}"
        for count in range(1, 4):
            until(lambda count=count: len(service.root.heard("start")) == count and key in service.root.table)
            service.root.end(key, status=count)
        until(lambda: len(service.root.heard("start")) == 4)
        kinds = client.call(ListEvents(limit=1000)).events
        assert [one.data["status"] for one in kinds if one.kind == "loop.process_ended"] == [1, 2, 3]


def test_a_pause_requests_the_end_of_the_process_once(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        loop = submit(service)
        until(lambda: service.root.table)
        client.call(PauseLoop(loop="web"))
        (stop,) = until(lambda: service.root.heard("stop"))
        assert stop == {"type": "stop", "key": f"loop:{loop.id}", "urgency": "safe_point", "within": 60.0}
        for _ in range(3):
            last_pass = client.call(GetHealth()).looked_at
            elsewhere(service)
            until(lambda last_pass=last_pass: client.call(GetHealth()).looked_at != last_pass)
        assert len(service.root.heard("stop")) == 1


def test_a_start_that_root_refuses_is_repeated_with_growing_delays(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        service.root.refuses = True
        submit(service)
        until(lambda: len(service.root.heard("start")) == 3)
        service.root.refuses = False
        until(lambda: service.root.table)
        assert len(service.root.heard("start")) < 8
        assert "was not started: no more processes" in service.log.read_text()


def test_a_manager_that_fails_does_not_stop_the_other(tmp_path: Path) -> None:
    with control(tmp_path, others=True) as service, service.connect() as client:
        until(lambda: "other:1" in service.root.table)
        submit(service, "broken")
        health = until(lambda: found if not (found := client.call(GetHealth())).ok else None)
        assert [text for text in health.problems if text.startswith("the manager of loop failed: internal error ")]
        service.root.end("other:1")
        until(lambda: len([one for one in service.root.heard("start") if one["key"] == "other:1"]) == 2)
        assert "this manager is broken on purpose" in service.log.read_text()
        # The service can be repaired while it runs.
        client.call(PauseLoop(loop="broken"))
        client.call(StartLoop(loop="broken"))


def test_the_next_control_begins_with_the_table_of_root(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        loops = [submit(service, f"web{number}") for number in range(5)]
        until(lambda: len(service.root.table) == 5)
        service.kill()
        service.root.received.clear()
        service.start(parts=3)
        lines = service.call(ListLoops()).loops
        assert {line.pid for line in lines} == {line["pid"] for line in service.root.table.values()}
        assert not service.root.heard("start")
        # What ended while there was no control is reported after the hello.
        service.root.end(f"loop:{loops[0].id}")
        until(lambda: service.root.heard("start"))


def test_a_child_from_before_an_upgrade_is_replaced_at_its_next_safe_point(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        key = f"loop:{submit(service).id}"
        until(lambda: service.root.table)
        service.kill()
        service.root.received.clear()
        service.root.table[key]["old"] = True
        service.start()
        (stop,) = until(lambda: service.root.heard("stop"))
        assert stop["key"] == key
        service.root.end(key)
        until(lambda: [one["key"] for one in service.root.heard("start")] == [key])


def test_a_draining_service_starts_nothing_and_keeps_answering(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        submit(service)
        until(lambda: service.root.table)
        service.root.send({"type": "drain"})
        until(lambda: client.call(GetHealth()).draining)
        for request in (SubmitLoop(spec=LoopSpec(name="new", desired_state="x")), StartLoop(loop="web")):
            with pytest.raises(Problem, match="the service is stopping") as refused:
                client.call(request)
            assert refused.value.code is Code.UNAVAILABLE
        client.call(PauseLoop(loop="web"))
        assert client.call(GetHealth()).status.startswith("stopping: ")
        until(lambda: service.root.heard("stop"))


def test_control_ends_when_root_is_gone_and_on_sigterm(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        with service.connect() as client:
            service.root.close()
            assert service.wait() == 3
            with pytest.raises(Problem) as lost:
                client.call(GetVersion())
            assert lost.value.code is Code.UNAVAILABLE
        service.start()
        with service.connect() as client:
            watch = client.watch(WatchEvents())
            assert service.stop() == 0
            with pytest.raises(Problem, match="cannot continue: the service restarts or stops"):
                next(watch)


def test_signals_of_the_terminal_are_left_to_root(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        os.kill(service.pid, signal.SIGINT)
        assert client.call(GetVersion()).program == "0.1.0"
        assert service.is_alive()


def test_concurrent_writes_of_many_clients_are_all_committed(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        errors: list[BaseException] = []

        def work(worker: int) -> None:
            try:
                with service.connect() as client:
                    for number in range(10):
                        client.call(SubmitLoop(spec=LoopSpec(name=f"w{worker}-{number}", desired_state="x")))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not errors
        assert len(service.call(ListLoops()).loops) == 80
        until(lambda: len(service.root.table) == 80)
        assert len(service.root.heard("start")) == 80


def test_a_hundred_clients_are_answered_concurrently(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        submit(service)
        clients = [service.connect() for _ in range(100)]
        watches = [client.watch(WatchEvents()) for client in clients]
        assert len({client.call(ShowLoop(loop="web")).loop.id for client in clients}) == 1
        elsewhere(service)
        assert {next(watch).kind for watch in watches} == {"test.noted"}
        for client in clients:
            client.close()


def test_the_address_is_known_while_control_ends(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        # A whole one would have to be stopped at the moment in which a request is still answered.
        state = Control.__new__(Control)
        vars(state).update(server=SimpleNamespace(listener=listener), _address="")
        assert state.address == path
    assert state.address == path
