"""Runs a loop in this process; signals request that it stops."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.loops.ports import Prompter, StopSignal
from ftl2_enterprise.render import crash_report
from ftl2_enterprise.render.text import Role, line, symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl2_enterprise.cli.loops.progress import Progress
    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.store.database import Store

CTRL_C = signal.SIGINT
FROM_OTHERS = (signal.SIGTERM, signal.SIGHUP)


async def run(
    store: Store,
    loop_id: int,
    *,
    settings: Settings,
    people: Prompter,
    progress: Progress,
    limits: Mapping[str, Any] | None = None,
    begun: Callable[[], None] | None = None,
    waits_for_thaw: bool = True,
) -> Loop:
    """Run the loop until it ends, waits or is stopped; returns its row. Raises Problem.

    `begun` is called once the loop is claimed, before anything is shown. `waits_for_thaw`: whether it waits for the
    end of a freeze, or ends with the loop held by it.
    """
    crash_report.configure(settings.log.level, Path(settings.store.path).parent)
    from ftl2_enterprise.wiring.loops import build  # noqa: PLC0415 - ftl2 takes half a second to import

    running, stop = asyncio.get_running_loop(), StopSignal()
    remove = store.listen(progress)
    hear(running, stop, progress)
    try:
        return await build.run_loop(
            store, loop_id, settings=settings, people=people, stop=stop, limits=limits, begun=begun,
            waits_for_thaw=waits_for_thaw,
        )  # fmt: skip
    finally:
        # Nothing is left to clean up, and an exception at this point would have to be reported.
        signal.signal(CTRL_C, signal.SIG_DFL)
        for number in FROM_OTHERS:
            running.remove_signal_handler(number)
        remove()
        progress.close()


def hear(running: asyncio.AbstractEventLoop, stop: StopSignal, progress: Progress) -> None:
    """Install the signal handlers that request a stop."""
    for number in (CTRL_C, *FROM_OTHERS):
        running.add_signal_handler(number, partial(_asked, stop, progress))
    # Many signals at once fill the wake-up pipe; one more carries no information, so there is no warning.
    signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)


def _asked(stop: StopSignal, progress: Progress) -> None:
    again = stop.requested.is_set()
    stop.ask()
    words = "stopping now" if again else "stopping at the next safe point; a second signal stops now"
    progress.show(line(symbol("■", Role.WARNING), (words, Role.WARNING)))
