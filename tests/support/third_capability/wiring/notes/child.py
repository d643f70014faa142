"""What the process of a note runs: it records its start, and waits until it is to end."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from ftl2_enterprise.notes import rows, units
from ftl2_enterprise.wiring.children import run_child

if TYPE_CHECKING:
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.supervisor.child import RunningChild
    from ftl2_enterprise.supervisor.forkserver.child_start import ChildContext


def run_note(context: ChildContext) -> int:
    """Watch one note until the process is to end."""
    return run_child(context, context.first, name_of=_name_of, work=lambda running: asyncio.run(_watch(running)))


def _name_of(tx: Tx, note_id: int) -> str:
    return rows.get(tx, str(note_id)).name


async def _watch(running: RunningChild) -> None:
    stop = asyncio.Event()
    running.on_signals(asyncio.get_running_loop(), stop=stop.set, wake=lambda: None)
    running.writer.execute([units.watched.call(running.id, os.getpid())])
    await stop.wait()
