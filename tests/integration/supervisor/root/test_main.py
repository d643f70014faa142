"""Root with real children: what it sends to control, and what it sends to the service manager."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.cli import service as console
from ftl2_enterprise.supervisor.start import search_path
from tests.support.service.root_service import Service, is_alive, service
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator


def started(key: object, **fields: object) -> bytes:
    """A request for a child, as control sends it."""
    message = {"type": "start", "key": key, "argument": "", "cgroup": None, "log": None, **fields}
    return json.dumps(message).encode()


HEAVY = "msgspec asyncio sqlalchemy typing dataclasses subprocess threading inspect logging"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as it:
        yield it


def test_root_loads_nothing_large():
    load = "from ftl2_enterprise.supervisor.root import main"
    code = f"import sys; sys.path += {search_path()!r}; {load}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-ISEc", code], capture_output=True, text=True, check=True)
    loaded = answer.stdout.split()
    assert "json" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY.split())
    ours = {name for name in loaded if name.startswith("ftl2_enterprise.")}
    assert all(name.startswith("ftl2_enterprise.supervisor") for name in ours)


def test_root_stays_small(made: Service):
    made.up()
    for number in range(5):
        made.start_loop(number)
    status = Path(f"/proc/{made.pid}/status").read_text()
    size = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    # 12 to 14 MB; a test that runs concurrently with others may measure a little more.
    assert size < 16_000


def test_it_reports_the_start_and_the_end_of_children_to_control(made: Service):
    made.start()
    hello = made.meet()
    assert hello["booted"] is True
    assert hello["table"] == []
    assert hello["draining"] is False
    assert {line["name"]: line["pid"] for line in hello["processes"]}["control"] == made.control_pid
    made.send("ready")
    pid = made.start_loop(1, "exit=3")
    at = made.reported("started", "loop:1")["at"]
    assert made.reported("ended", "loop:1") | {"ran": 0.0} == {
        "type": "ended", "key": "loop:1", "number": 1, "pid": pid, "at": at, "why": "exited", "status": 3,
        "signal": None, "ran": 0.0, "text": None,
    }  # fmt: skip
    pid = made.start_loop(2)
    os.kill(pid, signal.SIGKILL)
    ended = made.reported("ended", "loop:2")
    assert (ended["why"], ended["status"], ended["signal"]) == ("killed", None, 9)
    assert ended["ran"] > 0.0


def test_a_key_never_has_two_processes(made: Service):
    made.up()
    assert made.start_loop(1) == made.start_loop(1)
    for _ in range(5):
        made.send("start", key="loop:2", argument="")
    other = made.start_loop(3)
    until(lambda: made.living()[other] == "loop:3")
    assert sum(name == "loop:2" for name in made.living().values()) == 1


def test_an_exception_in_a_child_is_logged_and_ends_only_that_child(made: Service, tmp_path: Path):
    made.up()
    other = made.start_loop(1)
    made.start_loop(2, "print=first raise=odd", log=str(tmp_path / "2.log"))
    assert made.reported("ended", "loop:2")["status"] == 70
    log = (tmp_path / "2.log").read_text()
    assert log.startswith("first ")
    assert "RuntimeError: odd" in log
    assert is_alive(other)


def test_a_child_has_its_own_session_its_key_as_name_and_an_oom_score(made: Service):
    made.up()
    pid = made.start_loop(1)
    until(lambda: len(list(Path(f"/proc/{pid}/task").iterdir())) == 2)
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert [int(word) for word in stat[1:4]] == [made.pid, pid, pid]
    assert Path(f"/proc/{pid}/comm").read_text() == "loop:1\n"
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "200\n"
    assert Path(f"/proc/{made.own()['writer']}/oom_score_adj").read_text() == "0\n"
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    # Nothing of the forkserver's or root's.
    assert {path.name for path in Path(f"/proc/{pid}/fd").iterdir()} == {"0", "1", "2"}


def test_a_child_that_cannot_be_started_is_reported(made: Service):
    made.up()
    made.send("start", key="nothing:1", argument="")
    ended = made.reported("ended", "nothing:1")
    assert (ended["why"], ended["pid"]) == ("not_started", None)
    assert "no kind" in ended["text"]


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe", b"[]", b"{", b"{}", b'{"type":1}', b'{"type":"begin"}', started(1), started("writer"),
     started("loop:9", cgroup=[1]), started("loop:9", log=2), b'{"type":"start","key":"loop:9"}',
     b'{"type":"stop","key":"control","urgency":"now","within":1}', b'{"type":"stop","key":"loop:1"}',
     b'{"type":"shutdown","urgency":"soon"}', b"x" * 100_000, b'{"type":' + b"[" * 60_000],
)  # fmt: skip
def test_a_message_that_cannot_be_understood_changes_nothing(made: Service, data: bytes):
    made.up()
    made.raw(data)
    assert is_alive(made.start_loop(1))
    until(lambda: set(made.living().values()) == {"python", "writer", "control", "spare", "loop:1"})


@pytest.mark.parametrize("within", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_an_invalid_time_does_not_end_root(made: Service, within: str):
    made.up()
    made.start_loop(1)
    made.raw(f'{{"type":"stop","key":"loop:1","urgency":"safe_point","within":{within}}}'.encode())
    made.raw(b'{"type":"stop","key":"loop:1","urgency":"kill","within":0}')
    made.reported("ended", "loop:1")
    assert is_alive(made.start_loop(2))


def test_an_argument_may_be_as_long_as_a_message(made: Service, tmp_path: Path):
    made.up()
    made.start_loop(1, f"print={'x' * 65_000} exit=0", log=str(tmp_path / "log"))
    assert made.reported("ended", "loop:1")["status"] == 0
    assert "x" * 65_000 in made.log()


def test_the_directories_of_the_sockets_are_created(tmp_path: Path):
    control, writer = tmp_path / "a" / "b" / "c.sock", tmp_path / "d" / "w.sock"
    with service(tmp_path, control_socket=str(control), writer_socket=str(writer)) as made:
        made.up()
        assert control.is_socket()
        assert writer.is_socket()


def test_a_wake_up_is_forwarded_to_the_child(made: Service, tmp_path: Path):
    made.up()
    made.start_loop(1, "print=up", log=str(tmp_path / "log"))
    until(lambda: "up" in made.log())
    made.send("wake", key="loop:1")
    until(lambda: "woken" in made.log())


def test_a_child_may_be_woken_before_it_has_run(made: Service):
    made.up()
    status = Path(f"/proc/{made.own()['forkserver']}/status").read_text()
    ignored = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn"))
    assert ignored & 1 << (signal.SIGUSR1 - 1)
    for number in range(20):
        made.send("start", key=f"loop:{number}", argument="exit=5")
        made.send("wake", key=f"loop:{number}")
    assert {made.reported("ended", f"loop:{number}")["why"] for number in range(20)} == {"exited"}


def test_the_service_manager_is_notified_only_when_control_reports_it(made: Service):
    made.start()
    made.meet()
    made.send("status", text="2 running, 1 waiting for you")
    assert "READY=1" not in made.notices("STATUS=2 running, 1 waiting for you")
    assert "WATCHDOG=1" not in made.notified
    made.send("ready")
    made.send("alive")
    assert made.notices("WATCHDOG=1")[-2:] == ["READY=1", "WATCHDOG=1"]


@pytest.mark.parametrize(
    ("variables", "each"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "its own"}, 10.0),
        # Inherited from the service that has started this one.
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "30000000", "notify": False}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({}, None),
    ],
)
def test_every_control_gets_the_keep_alive_interval_of_the_service_manager(
    made: Service, variables: dict[str, Any], each: float | None
):
    made.start(**variables)
    assert made.meet()["alive_each"] == each
    made.send("ready")
    os.kill(made.control_pid, signal.SIGKILL)
    assert made.meet()["alive_each"] == each
    made.send("ready")
    assert made.upgrade()["alive_each"] == each


def test_the_watchdog_is_notified_only_when_control_reports_that_it_is_alive(made: Service):
    made.up(WATCHDOG_USEC="1200000", WATCHDOG_PID="its own")
    for n in range(3):
        made.send("alive")
        made.send("status", text=f"alive {n}")
        assert made.notices(f"STATUS=alive {n}").count("WATCHDOG=1") == n + 1
    # Control falls silent: no other process reports in its place, and it is replaced before the watchdog expires.
    silent = made.control_pid
    made.meet()
    assert made.control_pid != silent
    made.send("status", text="the next one")
    assert made.notices("STATUS=the next one").count("WATCHDOG=1") == 3


def test_children_do_not_get_the_watchdog_variables(made: Service):
    made.up(WATCHDOG_USEC="30000000", WATCHDOG_PID="its own")
    for upgraded in (False, True):
        if upgraded:
            made.upgrade()
        made.start_loop(1 + upgraded)
        variables: dict[int, set[bytes]] = {}
        for pid in made.living():
            # What was forked in advance may still have been ending.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                lines = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                variables[pid] = {line.partition(b"=")[0] for line in lines}
        assert b"WATCHDOG_USEC" in variables.pop(made.pid)
        assert len(variables) >= 4
        assert not [pid for pid, names in variables.items() if {b"WATCHDOG_USEC", b"WATCHDOG_PID"} & names]


def test_a_reload_ends_when_control_is_ready_again(made: Service):
    made.up()
    made.begin_reload()
    notices = made.notices("MONOTONIC_USEC=")
    assert notices[0] == "RELOADING=1"
    assert "READY=1" not in notices
    made.send("ready")
    assert made.notices("READY=1")[-1] == "READY=1"
    made.notified.clear()
    made.send("reloading")
    made.notices("RELOADING=1")
    made.send("ready")
    made.notices("READY=1")


def test_root_runs_without_a_service_manager(made: Service):
    made.up(notify=False)
    assert is_alive(made.start_loop(1))
    os.kill(made.pid, signal.SIGTERM)
    assert made.wait() == 0
    assert made.living() == {}
    assert not (made.directory / "c.sock").exists()
    assert not (made.directory / "w.sock").exists()


def test_the_sockets_have_their_modes_and_their_owners(made: Service):
    made.up()
    assert (made.directory / "c.sock").stat().st_mode & 0o777 == 0o666
    assert (made.directory / "w.sock").stat().st_mode & 0o777 == 0o600
    assert made.ask("c.sock") == made.control_pid
    assert made.ask("w.sock") == made.own()["writer"]


def test_a_second_service_is_refused_and_the_first_one_is_not_harmed(made: Service):
    made.up()
    assert made.another().wait(20) == 75
    assert "a service is running there" in made.errors()
    assert made.ask() == made.control_pid


def test_a_socket_that_cannot_be_created_is_reported(tmp_path: Path):
    with service(tmp_path, control_socket=str(tmp_path / ("long" * 40))) as it:
        assert it.start().wait() == 73
        assert "cannot listen at" in it.errors()
        assert "Traceback" not in it.errors()


def test_a_socket_left_by_a_killed_service_is_replaced(made: Service):
    made.up()
    os.kill(made.pid, signal.SIGKILL)
    made.wait()
    assert (made.directory / "c.sock").exists()
    made.up()
    assert made.ask() == made.control_pid


def test_a_socket_of_the_service_manager_is_used_and_kept(made: Service):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(made.directory / "c.sock"))
        listener.listen()
        made.up(fds=(listener.fileno(),), LISTEN_FDNAMES="ftl2-enterprise.socket")
        assert made.ask() == made.control_pid
        assert console.listener(str(made.directory / "c.sock")) == made.pid
        os.kill(made.pid, signal.SIGTERM)
        assert made.wait() == 0
        assert (made.directory / "c.sock").exists()
        # No process is woken that has ended.
        assert console.listener(str(made.directory / "c.sock")) == 0


def test_clients_wait_in_the_kept_socket_while_the_service_is_started_again(made: Service):
    made.up(FDSTORE="8")
    made.notices("FDSTORE=1")
    kept = [fd for text, fd in made.kept if "FDNAME=control" in text]
    assert len(kept) == 1
    os.kill(made.pid, signal.SIGKILL)
    made.wait()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect(str(made.directory / "c.sock"))
        made.up(fds=(kept[0],), LISTEN_FDNAMES="control", FDSTORE="8")
        assert int(client.recv(64)) == made.control_pid
        assert console.listener(str(made.directory / "c.sock")) == made.pid
