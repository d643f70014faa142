"""The service of the tour, with the default settings and all its files in the scratch directory."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise import client
from ftl2_enterprise.cli.loops.tour.scenario import TourFailed
from ftl2_enterprise.cli.session import called_as
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.settings import model
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.facts import PromptAsked, loop_subject
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import GetHealth, WatchEvents

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.loops.ports import Prompter
    from ftl2_enterprise.protocol.loops.nouns import Loop

START_LIMIT = 30.0
STOP_LIMIT = 30.0
_CONFIG = """\
# The service of the tour. `ftl2-enterprise --config {config} config show` shows every setting.
[store]
path = "{directory}/loops.db"

[supervisor]
socket = "{socket}"
splay = 0

[log]
directory = "{directory}/log"
level = "info"
"""
LONGEST_ADDRESS = 100
"""Bytes of a socket's path that every Unix accepts (sun_path, unix(7)), with a margin."""


class TourService:
    """A separate service, which may continue after the tour."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "config.toml"
        self.socket = directory / "control.sock"
        self.database = directory / "loops.db"
        self.log = directory / "service.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The pid of its root process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it is healthy. Raises TourFailed with its last message."""
        if len(os.fsencode(self.socket)) > LONGEST_ADDRESS:
            raise TourFailed(f"the path {self.socket} is too long for a socket; give a shorter --directory")
        self.config.write_text(
            _CONFIG.format(directory=self.directory, socket=self.socket, config=self.config), encoding="utf-8"
        )
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_program(), "--config", str(self.config), "supervise"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(),
                start_new_session=True,  # Ctrl-C at the terminal is for the tour
            )  # fmt: skip
        until = time.monotonic() + START_LIMIT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                lines = self.log.read_text(errors="replace").strip().splitlines()
                raise TourFailed(f"the service did not start: {lines[-1] if lines else 'it printed nothing'}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        with suppress(Problem), self.connect() as service:
            return service.call(GetHealth()).ok
        return False

    def is_running(self) -> bool:
        """Whether its root process has not ended."""
        return self._process is not None and self._process.poll() is None

    def connect(self) -> client.Client:
        """A connection. Raises Problem."""
        return client.connect(str(self.socket))

    def control(self) -> list[str]:
        """The words that call `ftl2ctl` for this service."""
        return [*_control(), "--socket", str(self.socket)]

    def stop(self) -> None:
        """End it and wait for its end; its loops stay in the database."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                self._process.send_signal(number)
                self._process.wait(STOP_LIMIT)
                return


def _environment() -> dict[str, str]:
    """That of the user without settings: they would take precedence, and name the user's own database and socket."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(model.PREFIX) or name in model.NOT_SETTINGS
    }


async def follow(service: TourService, loop: Loop, *, people: Prompter, hear: Callable[[Event], None]) -> None:
    """Pass every event of the loop to `hear`, and have people answer its prompts. Runs until it is cancelled."""
    running = asyncio.get_running_loop()
    events: asyncio.Queue[Event | None] = asyncio.Queue()

    def put(event: Event | None) -> None:
        with suppress(RuntimeError):  # the tour is over
            running.call_soon_threadsafe(events.put_nowait, event)

    def listen() -> None:
        with suppress(Problem, OSError):
            for event in watching.watch(WatchEvents(subject=loop_subject(loop.id), after=0)):
                put(event)
        put(None)

    with service.connect() as watching, service.connect() as asking:
        thread = threading.Thread(target=listen, name="watch", daemon=True)
        thread.start()
        try:
            while (event := await events.get()) is not None:
                hear(event)
                fact = fact_of(event)
                if isinstance(fact, PromptAsked):
                    prompt = asking.call(ShowPrompt(prompt=fact.prompt_id)).prompt
                    answer = await people.ask(prompt)
                    if answer is not None:
                        asking.call(AnswerPrompt(prompt=prompt.id, answer=answer))
            raise TourFailed("the service ended")
        finally:
            # Wakes the thread, which waits in a read.
            with suppress(OSError), socket.socket(fileno=os.dup(watching.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)
            thread.join(5.0)


def _program() -> list[str]:
    return called_as(sys.argv[0])


def _control() -> list[str]:
    """The words that call the ftl2ctl of this installation: its name if that finds it, else its path."""
    sibling = Path(sys.argv[0]).absolute().with_name("ftl2ctl")
    if not sibling.exists():
        return [sys.executable, "-m", "ftl2_enterprise.entrypoints.ftl2ctl"]
    found = shutil.which("ftl2ctl")
    return ["ftl2ctl"] if found is not None and Path(found).samefile(sibling) else [str(sibling)]
