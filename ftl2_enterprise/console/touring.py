"""The tour: a real continuous loop over a scratch directory, and somebody who breaks what it keeps.

What it claims is looked up in the directory itself, so that a tour cannot succeed by its own account.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shlex
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.console import foreground
from ftl2_enterprise.console.history import page_lines, read_page
from ftl2_enterprise.console.people import NonInteractivePeople, TerminalPeople, is_asked_here
from ftl2_enterprise.console.progress import Progress, progress
from ftl2_enterprise.console.session import Session, called_as
from ftl2_enterprise.console.tour.copying import copy_tour
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.loops import store as loops
from ftl2_enterprise.loops.ports import People, Stop
from ftl2_enterprise.protocol.loops import Loop, LoopSpec, Mode
from ftl2_enterprise.terminal import narrator
from ftl2_enterprise.terminal.exits import Exit
from ftl2_enterprise.terminal.text import Line, Role, count, line, symbol
from ftl2_enterprise.wiring import loop as wiring

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.store.engine import Store

NAME = "tour"
INTERVAL = 2.0
MAX_ITERATIONS = 6
PATIENCE = 45.0
"""Seconds after which a step counts as failed when nobody has to answer."""
PATIENCE_WITH_PERSON = 3600.0
BROKEN_LINE = "interval=999  # changed by hand\n"


class TourFailed(Exception):
    """Something that the tour promises did not happen."""


@dataclass
class Scene:
    """The scratch directory and what is to be seen in it."""

    directory: Path

    @property
    def host(self) -> Path:
        """What the loop manages."""
        return self.directory / "host"

    @property
    def config(self) -> Path:
        """The file that gets broken."""
        return self.host / "etc" / "service.conf"

    def service(self) -> int | None:
        """The pid of the service that runs in the scratch directory; another process of that pid is none."""
        try:
            pid = int((self.host / "run" / "service.pid").read_text())
            at_home = Path(f"/proc/{pid}/cwd").resolve() == self.host.resolve()
            # It leads a group of its own, so that what it started can be ended with it.
            return pid if at_home and os.getpgid(pid) == pid and _is_alive(pid) else None
        except (OSError, ValueError):
            return None

    def check(self, moment: str) -> None:
        """Raises TourFailed unless the directory is as the manifest says."""
        if not self.config.is_file() or BROKEN_LINE in self.config.read_text():
            raise TourFailed(f"{moment}, but {self.config} is not as the manifest says")
        if self.service() is None:
            raise TourFailed(f"{moment}, but the service does not run")

    def damage(self) -> int:
        """Edit a configuration file and kill the service, as people and accidents do; returns the pid."""
        pid = self.service()
        if pid is None:
            raise TourFailed("the service ended before anything was broken")
        with self.config.open("a") as file:
            file.write(BROKEN_LINE)
        os.killpg(pid, signal.SIGKILL)
        return pid


def _is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat[stat.rindex(")") + 2] not in "ZX"


@dataclass
class Seen:
    """Facts of the loop, and a way to wait for one."""

    converged: int = 0
    drifted: int = 0
    trouble: str | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, event: Event) -> None:
        """Count."""
        match event.kind:
            case "loop.converged":
                self.converged += 1
            case "loop.drifted":
                self.drifted += 1
            case "loop.rested" if event.data.get("failures"):
                self.trouble = f"the loop is not in sync: {event.data.get('reason')}"
            case _:
                pass
        self.news.set()

    async def until(self, holds: Callable[[], bool], *, patience: float, what: str) -> None:
        """Wait until it holds. Raises TourFailed when it takes too long."""
        try:
            async with asyncio.timeout(patience):
                while not holds():
                    if self.trouble is not None:
                        raise TourFailed(self.trouble)
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise TourFailed(f"{what} did not happen within {patience:.0f} seconds") from None


@dataclass(kw_only=True)
class Guide:
    """Leads through the tour."""

    scene: Scene
    shown: Progress
    seen: Seen
    stop: Stop
    is_watched: bool
    """A person looks on: explain, and leave time to read."""

    async def lead(self) -> None:
        """Wait for convergence, break something, wait for it to be mended, and end the loop. Raises TourFailed."""
        patience = PATIENCE_WITH_PERSON if self.is_watched else PATIENCE
        await self.seen.until(lambda: self.seen.converged >= 1, patience=patience, what="convergence")
        self.scene.check("the loop says that it converged")
        await self._caption("Everything is in place, and the loop keeps looking. Now something goes wrong.", 3)
        drifts, settled = self.seen.drifted, self.seen.converged
        pid = self.scene.damage()
        config = self.scene.config.relative_to(self.scene.directory)
        await self._caption(f"Broken by hand: {config} was edited, and the service (process {pid}) was killed.", 0)
        await self.seen.until(lambda: self.seen.drifted > drifts, patience=PATIENCE, what="finding the drift")
        await self.seen.until(lambda: self.seen.converged > settled, patience=PATIENCE, what="mending the drift")
        self.scene.check("the loop says that it mended the drift")
        if self.scene.service() == pid:
            raise TourFailed("the service was never ended, so nothing was mended")
        await self._caption("Found and mended. That is all that a loop does, for as long as it is wanted.", 3)

    async def _caption(self, text: str, seconds: float) -> None:
        self.shown.say([line(), line(symbol("┃", Role.ACCENT), (text, Role.STRONG)), line()])
        if self.is_watched and seconds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.requested.wait(), seconds)


def tour(session: Session, directory: Path | None, *, non_interactive: bool) -> int:
    """Give the tour; returns the exit status."""
    is_watched = session.out.is_terminal and is_asked_here() and not non_interactive
    scene = Scene(_scratch(directory))
    session.db = str(scene.directory / "loops.db")
    vars(session).pop("loaded", None)
    manifest = copy_tour(scene.directory)
    scene.host.mkdir()
    session.out.print(_welcome(scene))
    spec = LoopSpec(
        name=NAME,
        desired_state=manifest.read_text(),
        source=str(manifest),
        mode=Mode.CONTINUOUS,
        interval=INTERVAL,
        max_iterations=MAX_ITERATIONS,
        decider="manifest",
    )
    spec = wiring.prepare(spec, session.settings)
    store = wiring.open_database(session.settings, create=True)
    with store.write() as tx:
        loop = loops.create_loop(tx, spec)
    shown = progress(session.out, silent=False)
    people = TerminalPeople(session.out, shown) if is_watched else NonInteractivePeople()
    try:
        shown.say(narrator.header(loop))
        asked_to_stop = asyncio.run(
            _run(session, store, loop, scene=scene, shown=shown, people=people, is_watched=is_watched)
        )
    except TourFailed as failed:
        shown.close()
        session.out.print(
            [line((f"error: cannot finish the tour: {failed}", Role.BAD)), _next("look at", str(scene.directory))]
        )
        return Exit.NOT_CONVERGED
    finally:
        shown.close()
        _end_service(scene)
    if asked_to_stop:
        session.out.print(
            line(symbol("■", Role.WARNING), ("tour stopped", Role.WARNING), "; nothing is left running")
        )
        return Exit.STOPPED
    with store.read() as tx:
        page = read_page(tx, NAME, with_actions=True, before=None, limit=50)
        session.out.print(
            [line(("History, as `history tour --actions` shows it", Role.STRONG)), *page_lines(page, tx.now)]
        )
    session.out.print(_farewell(session, scene, shown))
    return Exit.OK


async def _run(
    session: Session, store: Store, loop: Loop, *, scene: Scene, shown: Progress, people: People, is_watched: bool
) -> bool:
    """The loop and its guide, side by side; whether the person stopped the tour."""
    stop, seen = Stop(), Seen()
    remove = store.listen(seen)
    running = asyncio.create_task(
        foreground.follow(store, loop.id, settings=session.settings, people=people, progress=shown, stop=stop)
    )
    guide = Guide(scene=scene, shown=shown, seen=seen, stop=stop, is_watched=is_watched)
    leading = asyncio.create_task(guide.lead())
    try:
        await asyncio.wait({running, leading}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            ended = running.result()
            if stop.requested.is_set():
                return True
            raise TourFailed(
                f"the loop ended early: it is {ended.state}" + (f": {ended.reason}" if ended.reason else "")
            )
        leading.result()
        return False
    finally:
        leading.cancel()
        stop.ask()
        await asyncio.wait({running, leading})
        remove()


def _scratch(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="ftl2-enterprise-tour-"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise invalid(f"cannot give the tour in {directory}: it is not empty", "name another directory")
    except OSError as error:
        raise invalid(f"cannot give the tour in {directory}: {(error.strerror or 'failed').lower()}") from error
    return directory.resolve()


def _end_service(scene: Scene) -> None:
    """End the service and wait until it is gone; it also ends by itself when its pid file is not its own."""
    pid = scene.service()
    if pid is None:
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # The name may have passed to another process between the look and the open.
        if scene.service() == pid:
            os.killpg(pid, signal.SIGKILL)
            _wait_for_end(descriptor)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _wait_for_end(descriptor: int) -> None:
    select.select([descriptor], [], [], 5.0)


def _welcome(scene: Scene) -> list[Line]:
    return [
        line(symbol("┃", Role.ACCENT), ("A tour of a loop", Role.STRONG)),
        line(
            symbol("┃", Role.ACCENT),
            "A manifest says how a small service is to be: directories, configuration, a process.",
        ),
        line(symbol("┃", Role.ACCENT), f"The managed host is the directory {scene.host}"),
        line(),
    ]


def _farewell(session: Session, scene: Scene, shown: Progress) -> list[Line]:
    tally = shown.narrator.tally
    counts = [(tally.iterations, "iteration"), (tally.changed, "change"), (tally.model_calls, "model call")]
    did = ", ".join(count(number, noun) for number, noun in counts)
    again = shlex.join([*session.program, "history", NAME, "--actions", "--json"])
    return [
        line(),
        line(
            symbol("✔", Role.GOOD),
            ("the tour is over", Role.GOOD),
            f": converged, broken, found, mended ({did}); nothing is left running",
        ),
        _next("look at", str(scene.directory / "manifest.yaml")),
        _next("ask", again),
        _next("your own", shlex.join([*called_as(sys.argv[0]), "run", "YOUR_MANIFEST.yaml", "--dry-run"])),
        _next("tidy up", shlex.join(["rm", "-r", str(scene.directory)])),
    ]


def _next(what: str, command: str) -> Line:
    return line((f"{what + ':':<10}", Role.FAINT), (command, Role.COMMAND), indent=2)
