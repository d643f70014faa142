"""One small loop, run before anything is forked: what it loads, compiles and caches is shared by all children."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.remote import server
from ftl2_enterprise.core import faults
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.settings import Settings, StoreSettings
from ftl2_enterprise.loops import process
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, Mode
from ftl2_enterprise.store.database import Store, open_store
from ftl2_enterprise.supervisor.forkserver import shared_memory
from ftl2_enterprise.supervisor.writer.lane import Lane
from ftl2_enterprise.wiring import loop as wiring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.store.unit import UnitCall

MANIFEST = """\
version: 1
name: warm-up
steps:
  - name: nothing to do
    file: {path: "%s", state: directory}
"""


class Nobody:
    """In a process of the service nobody can be asked: questions are answered through control."""

    name: str = "nobody"

    async def ask(self, prompt: Prompt) -> str | None:
        """No answer."""
        return None


_warmed: list[Store] = []
"""The store of the small loop: closed, and ready to be another database."""


def open_warmed(path: Path) -> Store:
    """The database at that path for reading, by what the small loop has left. Raises Problem."""
    if not _warmed:
        return open_store(path, create=False)
    database = _warmed.pop()
    database.reopen(path)
    return database


def warm_up() -> None:
    """Run it against a database of its own, which is gone afterwards. No thread and no process is left of it."""
    # A fault that a test has asked for is meant for the loops.
    fault = os.environ.pop(faults.VARIABLE, None)
    try:
        _warm_up()
    finally:
        if fault is not None:
            os.environ[faults.VARIABLE] = fault
    shared_memory.keep_shared()


def _warm_up() -> None:
    with tempfile.TemporaryDirectory(prefix="ftl2-") as name:
        settings = Settings(store=StoreSettings(path=f"{name}/loops.db"))
        database = open_store(Path(settings.store.path), create=True)
        try:
            wish = LoopSpec(name="warm-up", desired_state=MANIFEST % name, mode=Mode.CONTINUOUS)
            spec = wiring.prepare(wish, settings)
            with database.write() as tx:
                loop = loop_rows.create_loop(tx, spec)
            asyncio.run(_run(database, loop.id, settings))
            server.load_ahead()
        finally:
            database.close()
        _warmed.append(database)


class _AsIfHandedOver:
    """Writes by itself, and does besides what handing over to the writer takes."""

    def __init__(self, database: Store) -> None:
        self._database = database
        self._lane = Lane(0)

    def carry_out(self, calls: Sequence[UnitCall]) -> Any:
        self._lane.hand_over(calls, None)
        result = None
        with self._database.write() as tx:
            for call in calls:
                done = call.unit.function(tx, **call.unit.decode(call.encode()))
                result = call.unit.decode_result(call.unit.encode_result(done))
        return result


async def _run(database: Store, loop_id: int, settings: Settings) -> None:
    journal = process.claim(database, loop_id, _AsIfHandedOver(database))
    loop = journal.read(loop_rows.get_loop, loop_id)
    engine = wiring.build(
        journal,
        loop,
        wiring.read(loop.spec, settings),
        settings=settings,
        people=Nobody(),
        stop=StopSignal(),
        clock=SystemClock(),
        served=wiring.Served(rest=0.0),
    )
    try:
        await process.run(engine)
    finally:
        await engine.modules.close()
        process.release(journal)
