"""The real service as a test has it: `ftl2-enterprise supervise` in a directory; all that it started can be found."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec, LoopState
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ShowLoop, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import GetHealth, GetVersion, ListEvents
from ftl2_enterprise.protocol.verb import Access
from tests.support.processes import process_marks
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.loops.replies import LoopLine
    from tests.support.processes.command import Command

CONFIG = """
[supervisor]
socket = "{directory}/control.sock"
splay = 0
{supervisor}
[log]
directory = "{directory}/log"
level = "info"
{more}
"""


@dataclass
class Daemon:
    """Started and killed as systemd would."""

    run: Command
    process: subprocess.Popen[bytes] | None = None
    prefix: tuple[str, ...] = ()
    """What the service is started with, such as `setpriv` and its options."""

    @property
    def directory(self) -> Path:
        return self.run.directory

    @property
    def socket(self) -> str:
        return str(self.directory / "control.sock")

    @property
    def output(self) -> Path:
        """What the service wrote to its standard streams."""
        return self.directory / "service.log"

    def spawn(self, *arguments: str, fault: str | None = None, env: dict[str, str] | None = None) -> None:
        """Start it and do not wait."""
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *self.run.argv("supervise", *arguments)],
                env=self.run.environment(fault) | (env or {}),
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start(self, *arguments: str, fault: str | None = None, env: dict[str, str] | None = None) -> None:
        """Start it and wait until it answers and reports that it is healthy."""
        self.spawn(*arguments, fault=fault, env=env)
        until(self.answers)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the service ended: {self.output.read_text()[-2000:]}"
        health = self._answer(GetHealth())
        return health is not None and health.ok

    def _answer(self, request: Any) -> Any:
        """The result of one call; None if no process answers it."""
        with contextlib.suppress(Problem), self.connect() as service:
            return service.call(request)
        return None

    def connect(self) -> client.Client:
        """One more connection; the caller closes it."""
        return client.connect(self.socket)

    def call(self, request: Any) -> Any:
        """One call over its own connection; a read is repeated once on a service that is being replaced."""
        try:
            with self.connect() as service:
                return service.call(request)
        except client.ConnectionLost:
            if request.access is not Access.VIEW:
                raise
        with self.connect() as service:
            return service.call(request)

    def submit(self, name: str, desired_state: str, **spec: Any) -> Loop:
        return self.call(SubmitLoop(spec=LoopSpec(name=name, desired_state=desired_state, **spec)))

    def loop(self, name: str) -> Loop:
        return self.call(ShowLoop(loop=name)).loop

    def lines(self) -> dict[str, LoopLine]:
        return {each.name: each for each in self.call(ListLoops(finished=True)).loops}

    def crashes(self) -> list[Event]:
        """The facts that a process of a loop crashed, the oldest first."""
        return [event for event in self.call(ListEvents(limit=1000)).events if event.kind == "loop.crashed"]

    def until_state(self, name: str, *states: LoopState, seconds: float = 30.0) -> Loop:
        """The loop, once it is in one of the states."""

        def settled() -> Loop | None:
            found = self.loop(name)
            return found if found.state in states else None

        return until(settled, seconds=seconds)

    def pids(self) -> dict[str, int]:
        """The supervisor's own processes that live, by name."""
        return {each.name: each.pid for each in self.call(GetHealth()).processes if each.pid is not None}

    def kill(self, name: str) -> int:
        """kill -9 one of the supervisor's own processes, or of a loop (`loop:NAME`)."""
        pid = self.lines()[name.partition(":")[2]].pid if name.startswith("loop:") else self.pids()[name]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    def gap(self, *, seconds: float = 30.0) -> float:
        """kill -9 control; the seconds from then to the first answer of the next one."""
        self.kill("control")
        began = time.perf_counter()
        until(lambda: self._answer(GetVersion()), seconds=seconds, every=0.001)
        return time.perf_counter() - began

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = 60.0) -> int:
        """The exit status."""
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self, seconds: float = 60.0) -> int:
        self.signal(signal.SIGTERM)
        return self.wait(seconds)


@contextlib.contextmanager
def daemon(directory: Path, *, supervisor: str = "", more: str = "") -> Generator[Daemon]:
    """A service that is not started yet; whatever it leaves is killed. `supervisor` and `more` are lines of TOML."""
    config = CONFIG.format(directory=directory, supervisor=supervisor, more=more)
    made = Daemon(process_marks.command(directory, config=config))
    try:
        yield made
    finally:
        process_marks.kill_all(made.run)
        if made.process is not None:
            made.process.wait(10)
