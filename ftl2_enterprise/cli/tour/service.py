"""The service of the tour: on embedded defaults, everything of it in the scratch directory."""

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
from ftl2_enterprise.cli.session import called_as
from ftl2_enterprise.cli.tour.scenario import TourFailed
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.facts import PromptAsked
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
# The service of the tour. `ftl2-enterprise --config {config} config show` tells every setting.
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
"""Bytes of a socket's path that every Unix takes (sun_path, unix(7)), with some to spare."""


class TourService:
    """A service of its own, which may outlive the tour."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "config.toml"
        self.socket = directory / "control.sock"
        self.database = directory / "loops.db"
        self.log = directory / "service.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of its root process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers. Raises TourFailed with what it said."""
        if len(os.fsencode(self.socket)) > LONGEST_ADDRESS:
            raise TourFailed(f"the path {self.socket} is too long for a socket; give a shorter --directory")
        self.config.write_text(
            _CONFIG.format(directory=self.directory, socket=self.socket, config=self.config), encoding="utf-8"
        )
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_program(), "--config", str(self.config), "supervise"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal is for the tour
            )  # fmt: skip
        until = time.monotonic() + START_LIMIT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                said = self.log.read_text(errors="replace").strip().splitlines()
                raise TourFailed(f"the service did not start: {said[-1] if said else 'it said nothing'}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        with suppress(Problem), self.connect() as service:
            return service.call(GetHealth()).ok
        return False

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def connect(self) -> client.Client:
        """A connection. Raises Problem."""
        return client.connect(str(self.socket))

    def steer(self) -> list[str]:
        """The words of `ftl2ctl` for this service."""
        return [*_control(), "--socket", str(self.socket)]

    def stop(self) -> None:
        """End it and wait; its loops stay in the database."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                self._process.send_signal(number)
                self._process.wait(STOP_LIMIT)
                return


async def follow(service: TourService, loop: Loop, *, people: Prompter, hear: Callable[[Event], None]) -> None:
    """Hear every fact of the loop from its beginning, and let people answer its questions. Runs until cancelled."""
    running = asyncio.get_running_loop()
    events: asyncio.Queue[Event | None] = asyncio.Queue()

    def put(event: Event | None) -> None:
        with suppress(RuntimeError):  # the tour is over
            running.call_soon_threadsafe(events.put_nowait, event)

    def listen() -> None:
        with suppress(Problem, OSError):
            for event in watching.watch(WatchEvents(loop=str(loop.id), after=0)):
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
    """How to call ftl2ctl: by its name where that finds the one beside this program."""
    beside = Path(sys.argv[0]).absolute().with_name("ftl2ctl")
    if not beside.exists():
        return [sys.executable, "-m", "ftl2_enterprise.entrypoints.ftl2ctl"]
    found = shutil.which("ftl2ctl")
    return ["ftl2ctl"] if found is not None and Path(found).samefile(beside) else [str(beside)]
