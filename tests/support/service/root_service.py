"""Root as its own process, with a control that the test plays."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.supervisor.start import search_path
from tests.support.places import REPOSITORY
from tests.support.service import root_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    type Message = dict[str, Any]

MARK = "TEST_MARK"
_COUNTER = itertools.count(1)
START = """
import json, os, sys
from ftl2_enterprise.supervisor.start import execute_root
for number, fd in enumerate(map(int, sys.argv[2:])):
    os.dup2(fd, 3 + number)  # as a service manager passes them
    os.environ |= {"LISTEN_FDS": str(number + 1), "LISTEN_PID": str(os.getpid())}
if os.environ.get("WATCHDOG_PID") == "its own":
    os.environ["WATCHDOG_PID"] = str(os.getpid())
execute_root(json.loads(sys.argv[1]))
"""


class Service:
    """A root, and everything that it and its control send."""

    def __init__(self, directory: Path, **config: Any) -> None:
        self.directory = directory
        self.env = {MARK: f"{os.getpid()}.{time.monotonic_ns()}.{next(_COUNTER)}"}
        self.config = {
            "forkserver": [sys.executable, "-m", root_kinds.__name__],
            "search_path": search_path(),
            "control_socket": str(directory / "c.sock"),
            "writer_socket": str(directory / "w.sock"),
            "heartbeat": 0.1,
            "cgroup": "",
        } | config
        self.relay = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.relay.bind(str(directory / "relay"))
        self.relay.listen(8)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(directory / "notify"))
        self.notified: list[str] = []
        self.kept: list[tuple[str, int]] = []
        self.test: socket.socket | None = None
        self.seen: list[Message] = []
        """All that root has sent to the current control."""
        self.control_pid = 0
        self.process: subprocess.Popen[bytes] | None = None

    # --- running -------------------------------------------------------------------------------------------------

    def start(self, *, notify: bool = True, fds: tuple[int, ...] = (), **variables: str) -> Service:
        """Execute root; does not wait for anything."""
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))
        }
        env |= {root_kinds.RELAY: str(self.directory / "relay"), **self.env, **variables}
        if notify:
            env["NOTIFY_SOCKET"] = str(self.directory / "notify")
        self.process = self._execute(env, fds)
        return self

    def another(self) -> subprocess.Popen[bytes]:
        """A second one with the same sockets."""
        return self._execute(dict(os.environ) | self.env, ())

    def _execute(self, env: dict[str, str], fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", START, json.dumps(self.config), *map(str, fds)]
        with (self.directory / "err").open("ab") as err:
            return subprocess.Popen(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=err, stderr=err, pass_fds=fds,
                start_new_session=True, cwd=REPOSITORY,
            )  # fmt: skip

    def up(self, **options: Any) -> Service:
        """The same, until control is connected and has reported that it is ready."""
        self.start(**options)
        self.meet()
        self.send("ready")
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def wait(self, seconds: float = 20.0) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def errors(self) -> str:
        return (self.directory / "err").read_text()

    def log(self) -> str:
        """What the children have written whose log is `log`."""
        path = self.directory / "log"
        return path.read_text() if path.exists() else ""

    # --- as control ----------------------------------------------------------------------------------------------

    def meet(self, seconds: float = 20.0) -> Message:
        """Wait for a new control; returns root's hello to it."""
        self.relay.settimeout(seconds)
        try:
            test, _ = self.relay.accept()
        except TimeoutError:
            raise AssertionError(f"no control: {self.errors()[-2000:]}") from None
        if self.test is not None:
            # Not before: the old control ends when no process is connected to it any more.
            self.test.close()
        self.test = test
        self.control_pid = json.loads(self.test.recv(1 << 17))["pid"]
        self.seen = []
        hello = self.reported("hello")
        while hello["more"]:
            more = self.reported("hello", after=len(self.seen))
            hello = more | {"table": hello["table"] + more["table"]}
        return hello

    def upgrade(self) -> Message:
        """Have root execute itself anew; the hello to the new control."""
        self.send("upgrade")
        hello = self.meet()
        self.send("ready")
        return hello

    def send(self, word: str, **fields: Any) -> None:
        assert self.test is not None
        if word == "start":
            fields = {"argument": "", "cgroup": None, "log": None} | fields
        self.test.send(json.dumps({"type": word, **fields}).encode())

    def raw(self, data: bytes) -> None:
        assert self.test is not None
        self.test.send(data)

    def start_loop(self, number: int, argument: str = "", **more: Any) -> int:
        """Have a loop started; its pid."""
        after = len(self.seen)
        self.send("start", key=f"loop:{number}", argument=argument, **more)
        return self.reported("started", f"loop:{number}", after=after)["pid"]

    def reported(self, word: str, key: str | None = None, *, after: int = 0, seconds: float = 20.0) -> Message:
        """The first message of that type, about that child, from what has been seen or is to come."""
        return self.until(lambda one: one["type"] == word and key in (None, one.get("key")), after, seconds)

    def until(self, fits: Callable[[Message], bool], after: int = 0, seconds: float = 20.0) -> Message:
        deadline = time.monotonic() + seconds
        position = after
        while True:
            for message in self.seen[position:]:
                if fits(message):
                    return message
            position = len(self.seen)
            left = deadline - time.monotonic()
            assert left > 0, f"not received: {self.seen[-20:]} {self.errors()[-2000:]}"
            self.listen(left)

    def listen(self, seconds: float) -> None:
        """Receive the next message of root."""
        assert self.test is not None
        ready, _, _ = select.select([self.test], [], [], seconds)
        if ready:
            try:
                data = self.test.recv(1 << 17)
            except ConnectionResetError:
                data = b""
            assert data, f"control is gone: {self.errors()[-2000:]}"
            self.seen.append(json.loads(data))

    # --- as the service manager ------------------------------------------------------------------------------------

    def notices(self, until: str = "", seconds: float = 20.0) -> list[str]:
        """Every assignment that root has sent to the service manager, at least until that one came."""
        deadline = time.monotonic() + seconds
        while True:
            self.notify.settimeout(0.01)
            with contextlib.suppress(TimeoutError):
                while True:
                    data, fds, _, _ = socket.recv_fds(self.notify, 65536, 8)
                    self.notified += data.decode().split("\n")
                    self.kept += [(data.decode(), fd) for fd in fds]
            if any(line.startswith(until) for line in self.notified):
                return self.notified
            assert time.monotonic() < deadline, f"{until} is not in {self.notified}"

    def begin_reload(self) -> None:
        """Signal root, once it has reported that it is ready; control is notified, and `notices` begin again."""
        self.notices("READY=1")
        self.notified.clear()
        os.kill(self.pid, signal.SIGHUP)
        self.reported("reload", after=len(self.seen))

    # --- state -----------------------------------------------------------------------------------------------------

    def living(self) -> dict[int, str]:
        """Every living process of this service, by its mark in the environment."""
        entry = f"{MARK}={self.env[MARK]}".encode()
        found: dict[int, str] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if entry in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "comm").read_text().strip()
        return found

    def ask(self, name: str = "c.sock", seconds: float = 10.0) -> int:
        """Connect to one of the sockets; the pid of who answered."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(seconds)
            client.connect(str(self.directory / name))
            return int(client.recv(64))

    def own(self) -> dict[str, int | None]:
        """Pids of the supervisor's own processes, as root reported last."""
        lines = [message["processes"] for message in self.seen if "processes" in message]
        return {line["name"]: line["pid"] for line in lines[-1]}

    def close(self) -> None:
        """End whatever is left."""
        for pid in self.living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        for pid in self.living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for end in (self.relay, self.notify, self.test):
            if end is not None:
                end.close()
        for _, fd in self.kept:
            os.close(fd)


@contextlib.contextmanager
def service(directory: Path, **config: Any) -> Generator[Service]:
    """A service that is not started yet; nothing of it is left afterwards."""
    made = Service(directory, **config)
    try:
        yield made
    finally:
        made.close()


def is_alive(pid: int) -> bool:
    """Whether it runs: a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")
