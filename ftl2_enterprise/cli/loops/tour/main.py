"""The tour: a service with a real continuous loop in a scratch directory, in which something is then broken.

Each claim is verified in the directory itself, so that the tour cannot succeed only because the loop reports success.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.cli.loops.local_reader import LocalReader
from ftl2_enterprise.cli.loops.progress import Progress, progress
from ftl2_enterprise.cli.loops.prompter import NonInteractivePeople, TerminalPeople, is_asked_here
from ftl2_enterprise.cli.loops.tour.copying import copy_tour
from ftl2_enterprise.cli.loops.tour.scenario import Scene, TourFailed
from ftl2_enterprise.cli.loops.tour.service import TourService, follow
from ftl2_enterprise.cli.session import CliSession, called_as
from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.facts import LoopConverged, LoopDrifted, LoopRested, LoopStopped
from ftl2_enterprise.protocol.loops.nouns import Loop, LoopSpec, Mode
from ftl2_enterprise.protocol.loops.verbs import SubmitLoop
from ftl2_enterprise.render.loops import fact_lines
from ftl2_enterprise.render.loops.exit_status import LoopExit
from ftl2_enterprise.render.loops.history import history_view
from ftl2_enterprise.render.text import Line, Role, count, line, symbol

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.loops.ports import Prompter

NAME = "tour"
INTERVAL = 2.0
MAX_ITERATIONS = 6
PATIENCE = 45.0
"""Seconds after which a step has failed, if no person has to answer."""
PATIENCE_WITH_PERSON = 3600.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class TourFacts:
    """Counts the facts of the loop, and waits for them."""

    converged: int = 0
    drifted: int = 0
    trouble: str | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, event: Event) -> None:
        """Count a fact."""
        match fact := fact_of(event):
            case LoopConverged():
                self.converged += 1
            case LoopDrifted():
                self.drifted += 1
            case LoopRested() if fact.failures:
                self.trouble = f"the loop is not in sync: {fact.reason}"
            case LoopStopped():
                self.trouble = f"the loop ended early: {event.kind}" + (f": {fact.reason}" if fact.reason else "")
            case _:
                pass
        self.news.set()

    async def until(self, holds: Callable[[], bool], *, patience: float, what: str) -> None:
        """Wait until the condition holds. Raises TourFailed when that takes too long, or the loop is in trouble."""
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
    """The course of the tour."""

    scene: Scene
    shown: Progress
    seen: TourFacts
    stop: asyncio.Event
    is_watched: bool
    """On a terminal: pauses leave time to read."""

    async def lead(self) -> None:
        """Wait for convergence, break something, and wait until it is repaired. Raises TourFailed."""
        patience = PATIENCE_WITH_PERSON if self.is_watched else PATIENCE
        await self.seen.until(lambda: self.seen.converged >= 1, patience=patience, what="convergence")
        self.scene.check("the loop reports that it converged")
        await self._caption("Everything is as desired, and the loop keeps checking. Now something goes wrong.", 3)
        drifts, settled = self.seen.drifted, self.seen.converged
        pid = self.scene.damage()
        config = self.scene.config.relative_to(self.scene.directory)
        await self._caption(f"Broken by hand: {config} was edited, and the service (process {pid}) was killed.", 0)
        await self.seen.until(lambda: self.seen.drifted > drifts, patience=PATIENCE, what="detecting the drift")
        await self.seen.until(lambda: self.seen.converged > settled, patience=PATIENCE, what="repairing the drift")
        self.scene.check("the loop reports that it repaired the drift")
        if self.scene.service() == pid:
            raise TourFailed("the service was never killed, so nothing was repaired")
        await self._caption("Detected and repaired. A loop does this for as long as it runs.", 3)

    async def _caption(self, text: str, seconds: float) -> None:
        self.shown.show([line(), line(symbol("┃", Role.ACCENT), (text, Role.STRONG)), line()])
        if self.is_watched and seconds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), seconds)


def tour(session: CliSession, directory: Path | None, *, non_interactive: bool) -> int:
    """Run the tour; returns the exit status."""
    is_watched = session.out.is_terminal and is_asked_here() and not non_interactive
    scene = Scene(_scratch(directory))
    service = TourService(scene.directory)
    manifest = copy_tour(scene.directory)
    scene.host.mkdir()
    session.out.print(_welcome(scene))
    shown = progress(session.out, silent=False)
    people = TerminalPeople(session.out, shown) if is_watched else NonInteractivePeople()
    continues = False
    try:
        service.start()
        loop = _submit(service, manifest)
        shown.show(fact_lines.header(loop))
        asked_to_stop = asyncio.run(_run(service, loop, scene=scene, shown=shown, people=people, watched=is_watched))
        shown.close()
        if asked_to_stop:
            return _stopped(session)
        _show_history(session, service)
        session.out.print(_over(shown))
        if is_watched:
            continues = _run_shell(session, service, scene)
    except (TourFailed, Problem) as failed:
        shown.close()
        session.out.print(
            [line((f"error: cannot finish the tour: {failed}", Role.BAD)), _next("see", str(scene.directory))]
        )
        return LoopExit.NOT_CONVERGED
    finally:
        shown.close()
        if not continues:
            service.stop()
            scene.end_service()
    session.out.print(_come_back(service) if continues else [line("Nothing is left running.", indent=2)])
    session.out.print(_farewell(service, scene, continues=continues))
    return LoopExit.CONVERGED


def _submit(service: TourService, manifest: Path) -> Loop:
    spec = LoopSpec(
        name=NAME,
        desired_state=manifest.read_text(),
        source=str(manifest),
        mode=Mode.CONTINUOUS,
        interval=INTERVAL,
        max_iterations=MAX_ITERATIONS,
        decider="manifest",
    )
    with service.connect() as connection:
        return connection.call(SubmitLoop(spec=spec))


async def _run(
    service: TourService, loop: Loop, *, scene: Scene, shown: Progress, people: Prompter, watched: bool
) -> bool:
    """Follow the loop and run the course of the tour; returns whether the user stopped it."""
    stop, seen = asyncio.Event(), TourFacts()
    running = asyncio.get_running_loop()
    for number in SIGNALS:
        running.add_signal_handler(number, stop.set)

    def hear(event: Event) -> None:
        shown(event)
        seen(event)

    guide = Guide(scene=scene, shown=shown, seen=seen, stop=stop, is_watched=watched)
    following = asyncio.create_task(follow(service, loop, people=people, hear=hear))
    leading = asyncio.create_task(guide.lead())
    stopping = asyncio.create_task(stop.wait())
    tasks = (leading, following, stopping)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            return True
        if leading.done():
            leading.result()
            return False
        following.result()
        raise TourFailed("the service ended")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for number in SIGNALS:
            running.remove_signal_handler(number)


def _run_shell(session: CliSession, service: TourService, scene: Scene) -> bool:
    """Start the shell with the loop running; returns whether the service still runs afterwards."""
    config = scene.config
    session.out.print(
        [
            line(),
            line(symbol("┃", Role.ACCENT), ("This is ftl2ctl, the shell; service and loop continue.", Role.STRONG)),
            line(symbol("┃", Role.ACCENT), "Try ", ("status", Role.COMMAND), ", ", ("watch tour", Role.COMMAND),
                 ", ", ("pause tour", Role.COMMAND), ", ", ("resume tour", Role.COMMAND), ", ",
                 ("help", Role.COMMAND), "."),
            line(symbol("┃", Role.ACCENT), ("exit", Role.COMMAND), " leaves the shell, and the service continues; ",
                 ("shutdown", Role.COMMAND), " stops the service."),
            line(symbol("┃", Role.ACCENT), "Break something in another terminal, and watch: ",
                 (shlex.join(["rm", str(config)]), Role.COMMAND)),
            line(),
        ]
    )  # fmt: skip
    session.out.stream.flush()
    # Ctrl-C is for the shell, which clears its line.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        subprocess.run([*service.control()], check=False, preexec_fn=_default_interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    return service.is_running()


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _stopped(session: CliSession) -> int:
    session.out.print(line(symbol("■", Role.WARNING), ("tour stopped", Role.WARNING), "; nothing is left running"))
    return LoopExit.STOPPED


def _show_history(session: CliSession, service: TourService) -> None:
    session.db = str(service.database)
    vars(session).pop("loaded", None)
    with contextlib.closing(session.open_store()) as store, store.read() as tx:
        page = history_view(LocalReader(session, tx), loop=NAME, actions=True, changed=False, before=None, limit=50)
        head = line(("History, as `history tour --actions` shows it", Role.STRONG))
        session.out.print([head, *page.lines()])


def _scratch(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="ftl2-enterprise-tour-"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise invalid(f"cannot use {directory} for the tour: it is not empty", "give another directory")
    except OSError as error:
        raise invalid(f"cannot use {directory} for the tour: {(error.strerror or 'failed').lower()}") from error
    return directory.resolve()


def _welcome(scene: Scene) -> list[Line]:
    return [
        line(symbol("┃", Role.ACCENT), ("A tour: a service that runs a loop", Role.STRONG)),
        line(
            symbol("┃", Role.ACCENT),
            "A manifest describes the desired state of a small service: directories, configuration, a process.",
        ),
        line(symbol("┃", Role.ACCENT), f"The managed host is the directory {scene.host}"),
        line(),
    ]


def _over(shown: Progress) -> list[Line]:
    tally = shown.narrator.tally
    counts = [(tally.iterations, "iteration"), (tally.changed, "change"), (tally.model_calls, "model call")]
    did = ", ".join(count(number, noun) for number, noun in counts)
    return [
        line(),
        line(
            symbol("✔", Role.GOOD),
            ("the tour is over", Role.GOOD),
            f": converged, broken, detected, repaired ({did})",
        ),
    ]


def _come_back(service: TourService) -> list[Line]:
    return [
        line(symbol("●", Role.GOOD), f"the service continues in the background (process {service.pid})"),
        _next("return", shlex.join(service.control())),
    ]


def _farewell(service: TourService, scene: Scene, *, continues: bool) -> list[Line]:
    again = shlex.join(
        [*called_as(sys.argv[0]), "--db", str(service.database), "history", NAME, "--actions", "--json"]
    )
    return [
        _next("manifest", str(scene.directory / "manifest.yaml")),
        _next("history", again),
        _next("your own", shlex.join([*called_as(sys.argv[0]), "run", "YOUR_MANIFEST.yaml", "--dry-run"])),
        # In this order: the loop would create the directory again.
        *([_next("stop", shlex.join([*service.control(), "shutdown"]))] if continues else []),
        _next("then remove" if continues else "clean up", shlex.join(["rm", "-r", str(scene.directory)])),
    ]


def _next(what: str, command: str) -> Line:
    return line((f"{what + ':':<13}", Role.FAINT), (command, Role.COMMAND), indent=2)
