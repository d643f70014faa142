"""Control in a process of its own: what it tells root, what it answers clients, and what it remembers: nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.cli.service import listener
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec
from ftl2_enterprise.protocol.loops.verbs import ListLoops, PauseLoop, ShowLoop, StartLoop, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import (
    GetHealth,
    GetSettings,
    GetVersion,
    ListEvents,
    Reload,
    Shutdown,
    Upgrade,
    WatchEvents,
    WatchLogs,
)
from ftl2_enterprise.protocol.verb import Access
from ftl2_enterprise.store.database import open_store
from tests.support.control_process import REPOSITORY, ControlProcess, control
from tests.support.facts import Noted
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Generator

ME = os.geteuid()


def submit(service: ControlProcess, name: str = "web") -> Loop:
    return service.call(SubmitLoop(spec=LoopSpec(name=name, desired_state="nginx answers")))


def elsewhere(service: ControlProcess, n: int = 0) -> None:
    """A fact that another process writes by itself, as a run in the foreground does."""
    store = open_store(service.directory / "loops.db", create=False)
    with store.write() as tx:
        tx.emit(Noted(n=n), subject="")
    store.close()


def test_what_is_submitted_is_started_and_its_facts_name_who_asked(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        loop = client.call(SubmitLoop(spec=LoopSpec(name="web", desired_state="nginx answers")))
        (order,) = until(lambda: service.root.heard("start"))
        assert order == {"start": f"loop:{loop.id}", "argument": str(loop.id), "cgroup": None, "log": None}
        until(lambda: {"status": "1 running"} in service.root.told)
        (created,) = [one for one in client.call(ListEvents()).events if one.kind == "loop.created"]
        assert created.actor is not None
        assert created.actor.endswith(f"(uid {ME}, pid {os.getpid()})")
        (line,) = client.call(ListLoops()).loops
        assert line.pid == service.root.table[f"loop:{loop.id}"]["pid"]


def test_an_ending_is_recorded_before_the_next_start(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        key = f"loop:{submit(service).id}"
        for count in range(1, 4):
            until(lambda count=count: len(service.root.heard("start")) == count and key in service.root.table)
            service.root.end(key, status=count)
        until(lambda: len(service.root.heard("start")) == 4)
        kinds = client.call(ListEvents(limit=1000)).events
        assert [one.data["status"] for one in kinds if one.kind == "loop.process_ended"] == [1, 2, 3]


def test_a_pause_asks_root_once_for_the_end_of_the_process(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        loop = submit(service)
        until(lambda: service.root.table)
        client.call(PauseLoop(loop="web"))
        (stop,) = until(lambda: service.root.heard("stop"))
        assert stop == {"stop": f"loop:{loop.id}", "urgency": "safe_point", "within": 60.0}
        for _ in range(3):
            looked = client.call(GetHealth()).looked_at
            elsewhere(service)
            until(lambda looked=looked: client.call(GetHealth()).looked_at != looked)
        assert len(service.root.heard("stop")) == 1


def test_what_root_cannot_start_is_asked_for_again_ever_more_rarely(tmp_path: Path) -> None:
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
        until(lambda: len([one for one in service.root.heard("start") if one["start"] == "other:1"]) == 2)
        assert "this manager is broken on purpose" in service.log.read_text()
        # The service can be mended while it runs.
        client.call(PauseLoop(loop="broken"))
        client.call(StartLoop(loop="broken"))


def test_the_next_control_begins_from_what_root_tells_it(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        loops = [submit(service, f"web{number}") for number in range(5)]
        until(lambda: len(service.root.table) == 5)
        service.kill()
        service.root.told.clear()
        service.start(parts=3)
        lines = service.call(ListLoops()).loops
        assert {line.pid for line in lines} == {line["pid"] for line in service.root.table.values()}
        assert not service.root.heard("start")
        # What ended while there was no control is told behind the hello.
        service.root.end(f"loop:{loops[0].id}")
        until(lambda: service.root.heard("start"))


def test_a_child_from_before_an_upgrade_is_asked_for_its_next_safe_point_and_started_again(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        key = f"loop:{submit(service).id}"
        until(lambda: service.root.table)
        service.kill()
        service.root.told.clear()
        service.root.table[key]["old"] = True
        service.start()
        (stop,) = until(lambda: service.root.heard("stop"))
        assert stop["stop"] == key
        service.root.end(key)
        until(lambda: [one["start"] for one in service.root.heard("start")] == [key])


def test_a_draining_service_starts_nothing_and_goes_on_answering(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        submit(service)
        until(lambda: service.root.table)
        service.root.send({"drain": True})
        until(lambda: client.call(GetHealth()).draining)
        for request in (SubmitLoop(spec=LoopSpec(name="new", desired_state="x")), StartLoop(loop="web")):
            with pytest.raises(Problem, match="the service is stopping") as refused:
                client.call(request)
            assert refused.value.code is Code.UNAVAILABLE
        client.call(PauseLoop(loop="web"))
        assert client.call(GetHealth()).status.startswith("stopping: ")
        until(lambda: service.root.heard("stop"))


def test_health_tells_what_is_true(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client, service.connect():
        submit(service)
        until(lambda: service.root.table)
        health = until(lambda: found if (found := client.call(GetHealth())).counts["running"] else None)
        assert (health.ok, health.problems, health.draining) == (True, [], False)
        assert health.counts == {"running": 1, "children": 1, "connections": 2}
        assert health.writer_latency is not None
        assert 0 < health.writer_latency < 5
        assert health.database == str(tmp_path / "loops.db")
        (process,) = health.processes
        assert (process.name, process.restarts) == ("control", 3)
        service.root.send({"processes": [{"name": "writer", "pid": None, "since": None, "restarts": 1}]})
        health = until(lambda: found if not (found := client.call(GetHealth())).ok else None)
        assert health.problems == ["the process writer does not run"]


def test_what_is_asked_of_the_service_itself_is_told_root_and_recorded(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        client.call(Upgrade())
        client.call(Shutdown())
        client.call(Shutdown(now=True))
        until(lambda: len(service.root.heard("shutdown")) == 2)
        assert service.root.heard("upgrade") == [{"upgrade": True}]
        assert service.root.heard("shutdown") == [{"shutdown": "drain"}, {"shutdown": "now"}]
        facts = [one for one in client.call(ListEvents()).events if one.kind.startswith("service.")]
        assert [one.kind for one in facts] == [
            "service.upgrade_asked",
            "service.shutdown_asked",
            "service.shutdown_asked",
        ]
        assert all(f"uid {ME}, pid {os.getpid()}" in str(one.actor) for one in facts)


def test_settings_are_read_again_and_count_at_once(tmp_path: Path) -> None:
    with control(tmp_path, settings="[supervisor]\nmax_connections = 3") as service, service.connect() as client:
        assert client.call(Reload()).changed == []
        service.write_settings('[supervisor]\nmax_connections = 1\nheartbeat = 3.0\nsocket = "/elsewhere"')
        ready = len(service.root.heard("ready"))
        reloaded = client.call(Reload())
        assert reloaded.changed == ["supervisor.heartbeat", "supervisor.max_connections", "supervisor.socket"]
        assert reloaded.need_restart == ["supervisor.heartbeat", "supervisor.socket"]
        # What counts only after a restart is not told as if it did.
        assert client.call(GetHealth()).socket == str(service.socket)
        until(lambda: len(service.root.heard("ready")) == ready + 1)
        assert len(service.root.heard("reloading")) == 2
        with pytest.raises(Problem, match="cannot connect: 1 clients are connected"):
            service.connect()
        # What is wrong is told, and what was in force stays so.
        service.write_settings("[supervisor]\nmax_connection = 5")
        with pytest.raises(Problem, match=r"did you mean supervisor\.max_connections"):
            client.call(Reload())
        with pytest.raises(Problem, match="cannot connect: 1 clients are connected"):
            service.connect()
        assert any("could not be read again" in text for text in client.call(GetHealth()).problems)
        # Root asks for the same on SIGHUP.
        service.write_settings("")
        service.root.send({"reload": True})
        until(lambda: client.call(GetHealth()).ok)
        service.connect().close()
        (line,) = [one for one in client.call(GetSettings()) if one.key == "supervisor.max_connections"]
        assert (line.value, line.origin) == (256, "default")


def test_a_reload_that_failed_is_told_until_one_succeeds(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:

        def reload(settings: str) -> str:
            """The status that root has been told of when it hears that it is over."""
            service.write_settings(settings)
            service.root.told.clear()
            service.root.send({"reload": True})
            until(lambda: service.root.heard("ready"))
            told = list(service.root.told)
            return [one["status"] for one in told[: told.index({"ready": True})] if "status" in one][-1]

        problem = reload("[supervisor]\nmax_connection = 5").removeprefix("no loop wants anything; ")
        assert problem.startswith("the settings could not be read again: ")
        assert "max_connection" in problem
        # Whatever else happens.
        loop = submit(service)
        until(lambda: {"status": f"1 running; {problem}"} in service.root.told)
        service.root.end(f"loop:{loop.id}")
        assert client.call(GetHealth()).problems == [problem]
        with pytest.raises(Problem, match="max_connection"):
            client.call(Reload())
        assert "settings" not in reload("[supervisor]\nmax_connections = 5")
        facts = until(
            lambda: (
                found
                if len(found := [one for one in client.call(ListEvents()).events if one.kind.startswith("service.")])
                == 3
                else None
            )
        )
        assert [(one.kind, one.actor is None) for one in facts] == [
            ("service.reload_failed", True),
            ("service.reload_failed", False),
            ("service.reloaded", True),
        ]
        assert "max_connection" in facts[0].data["problem"]
        assert facts[0].data == facts[1].data
        assert facts[2].data == {"changed": ["supervisor.max_connections"]}


def test_it_moves_to_another_socket_and_loses_nobody(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as connected:
        os.kill(service.pid, signal.SIGSTOP)
        with ThreadPoolExecutor(4) as others:
            queued = [others.submit(service.call, GetVersion()) for _ in range(4)]
            until(lambda: len(_waiting_at(service.socket)) == 4)
            service.socket.unlink()
            service.bind_again()
            late = others.submit(service.call, GetHealth())
            os.kill(service.pid, signal.SIGCONT)
            assert {one.result(20).program for one in queued} == {"0.1.0"}
            assert late.result(20).socket == str(service.socket)
        assert connected.call(GetVersion()).program == "0.1.0"
        # Of the old one nothing is left.
        until(lambda: len(_listening_at(service.socket)) == 1)
        service.kill()
        service.start()
        assert service.call(GetVersion()).program == "0.1.0"


def test_whoever_asks_the_socket_hears_of_root(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        # Here the test is root.
        assert listener(str(service.socket)) == os.getpid()
        service.socket.unlink()
        service.bind_again()
        until(lambda: len(_listening_at(service.socket)) == 1)
        assert listener(str(service.socket)) == os.getpid()


def test_what_root_has_found_wrong_is_told(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        service.root.send({"problem": "nobody can connect"})
        until(lambda: {"status": "no loop wants anything; nobody can connect"} in service.root.told)
        assert client.call(GetHealth()).problems == ["nobody can connect"]
        service.root.send({"problem": ""})
        until(lambda: client.call(GetHealth()).ok)


def _sockets_at(path: Path) -> list[list[str]]:
    lines = Path("/proc/net/unix").read_text().splitlines()
    return [line.split() for line in lines if line.endswith(f" {path}")]


def _listening_at(path: Path) -> list[list[str]]:
    return [words for words in _sockets_at(path) if words[3] == "00010000"]


def _waiting_at(path: Path) -> list[list[str]]:
    """Connections that nobody has accepted."""
    return [words for words in _sockets_at(path) if words[3] == "00000000" and words[6] == "0"]


def test_events_are_followed_from_a_cursor_whoever_writes_them(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        watch = client.watch(WatchEvents(after=0))
        submit(service)
        assert next(watch).kind == "loop.created"
        elsewhere(service)
        assert next(watch).kind == "test.noted"
        # Calls go on beside it.
        assert client.call(GetVersion()).program == "0.1.0"
        watch.close()
        of_loop = client.watch(WatchEvents(loop="web", after=0))
        assert next(of_loop).kind == "loop.created"
        of_loop.close()
        with pytest.raises(Problem, match="web2"):
            next(client.watch(WatchEvents(loop="web2")))


def test_a_page_of_events_says_where_to_go_on(tmp_path: Path) -> None:
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
        # Nothing of this loop, but all was looked at.
        assert client.call(ListEvents(loop="web", limit=2)).cursor == 5
        assert [one.id for one in client.call(ListEvents(newest=True, limit=2)).events] == [4, 5]
        # The facts of a deleted loop are found by its id.
        assert client.call(ListEvents(loop="1")).events
        with pytest.raises(Problem):
            client.call(ListEvents(loop="77"))


def test_the_log_of_a_loop_is_followed(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        submit(service)
        watch = client.watch(WatchLogs(loop="web", follow=True))
        assert next(watch).message == "loop.created"
        client.call(PauseLoop(loop="web"))
        assert next(watch).message == "loop.desired"
        assert next(watch).message == "loop.paused"
        watch.close()
        assert [one.message for one in client.watch(WatchLogs(loop="web", last=1))] == ["loop.paused"]


def test_the_list_that_is_kept_is_never_an_old_one(tmp_path: Path) -> None:
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


def test_a_hundred_clients_are_answered_at_once(tmp_path: Path) -> None:
    with control(tmp_path) as service:
        submit(service)
        clients = [service.connect() for _ in range(100)]
        watches = [client.watch(WatchEvents()) for client in clients]
        assert len({client.call(ShowLoop(loop="web")).loop.id for client in clients}) == 1
        elsewhere(service)
        assert {next(watch).kind for watch in watches} == {"test.noted"}
        for client in clients:
            client.close()


def test_a_watch_that_is_not_read_slows_nobody(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        store = open_store(service.directory / "loops.db", create=False)
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


def test_control_ends_when_root_is_gone_and_when_it_is_told_to(tmp_path: Path) -> None:
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
            with pytest.raises(Problem, match="cannot go on: the service restarts or stops"):
                next(watch)


ASK = """
import json, os, sys
from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.verb import is_watch
import msgspec
path, uid, groups, bodies = json.loads(sys.argv[1])
os.setgroups(groups)
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
found = {}
with client.connect(path) as service:
    for name, body in bodies.items():
        verb = CATALOGUE[name]
        request = msgspec.convert(body, verb)
        try:
            if is_watch(verb):
                watch = service.watch(request)
                next(watch, None)
                watch.close()
            else:
                service.call(request)
            found[name] = "done"
        except Problem as problem:
            found[name] = problem.code.value
print(json.dumps(found))
"""
FIELDS: dict[str, dict[str, Any]] = {
    "loop.submit": {"spec": {"name": "other", "desired_state": "x"}},
    "event.watch": {"after": 0},
    "prompt.answer": {"prompt": 1, "answer": "x"},
    "prompt.dismiss": {"prompt": 1},
    "prompt.show": {"prompt": 1},
    "rule.show": {"rule": "x"},
    "rule.enable": {"rule": "x"},
    "rule.disable": {"rule": "x"},
    "text.get": {"digest": "x"},
    "log.watch": {},
    "system.render": {"words": ["status"]},
}


def ask_as(service: ControlProcess, uid: int, groups: list[int]) -> dict[str, str]:
    """What each verb does for a user, in groups."""
    bodies = {
        name: {"type": name, **FIELDS.get(name, {"loop": "web"} if "loop" in verb.__struct_fields__ else {})}
        for name, verb in CATALOGUE.items()
    }
    asked = json.dumps([str(service.socket), uid, groups, bodies])
    done = subprocess.run(
        [sys.executable, "-c", ASK, asked], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(ME != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("uid", "groups", "access"),
    [
        (12345, [], None),
        (12345, [40, 7001], Access.VIEW),
        (12346, [], Access.OPERATE),
        (12345, [7002, 7001], Access.OPERATE),
        (12347, [], Access.ADMINISTER),
    ],
)
def test_every_verb_is_refused_to_those_who_have_less_than_it_needs(
    uid: int, groups: list[int], access: Access | None
) -> None:
    settings = '[access]\nview = ["%7001"]\noperate = ["12346", "%7002"]\nadminister = ["12347"]'
    # Directories of pytest are closed to others.
    with tempfile.TemporaryDirectory() as directory, control(Path(directory), settings=settings) as service:
        service.directory.chmod(0o755)
        submit(service)
        found = ask_as(service, uid, groups)
        assert set(found) == set(CATALOGUE)
        for name, verb in CATALOGUE.items():
            allowed = access is not None and access.includes(verb.access)
            assert (found[name] != "denied") == allowed, f"{name} needs {verb.access}: {found[name]}"
            assert found[name] != "internal"


HOLD = """
import os, sys
from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Problem
path, uid, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
held = []
for _ in range(count):
    try:
        held.append(client.connect(path))
    except Problem as problem:
        assert problem.code.value == "unavailable", problem
print(len(held), flush=True)
sys.stdin.read()
"""


@contextmanager
def holding(service: ControlProcess, uid: int, count: int) -> Generator[int]:
    """So many connections that a user tries to keep; how many there are."""
    argv = [sys.executable, "-c", HOLD, str(service.socket), str(uid), str(count)]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdin=-1, stdout=-1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


@pytest.mark.skipif(ME != 0, reason="only root can become somebody else")
def test_who_may_do_less_cannot_keep_others_out(tmp_path: Path) -> None:
    settings = '[supervisor]\nmax_connections = 16\n[access]\nview = ["12346"]'
    with tempfile.TemporaryDirectory() as directory, control(Path(directory), settings=settings) as service:
        service.directory.chmod(0o755)
        with holding(service, 12345, 20) as strangers:
            assert strangers == 2
            with holding(service, 12346, 20) as viewers:
                assert viewers == 12
                assert service.call(GetHealth()).counts["connections"] == 15


def test_signals_of_the_terminal_are_left_to_root(tmp_path: Path) -> None:
    with control(tmp_path) as service, service.connect() as client:
        os.kill(service.pid, signal.SIGINT)
        assert client.call(GetVersion()).program == "0.1.0"
        assert service.is_alive()


def test_writes_of_many_clients_at_once_are_all_there(tmp_path: Path) -> None:
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
