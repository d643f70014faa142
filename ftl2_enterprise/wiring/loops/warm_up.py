"""One small loop that runs before anything is forked, so that all children share what it loads and caches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.local.calls import Helper
from ftl2_enterprise.adapters.hosts.remote import server
from ftl2_enterprise.core import child_startup
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.settings.model import Loaded
from ftl2_enterprise.core.settings.sections import StoreSettings
from ftl2_enterprise.loops import process
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, Mode
from ftl2_enterprise.supervisor.writer.lane import Lane
from ftl2_enterprise.wiring.loops import build
from ftl2_enterprise.wiring.settings import MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.unit import UnitCall

MANIFEST = """\
version: 1
name: warm-up
steps:
  - name: nothing to do
    file: {path: "%s", state: directory}
"""
ROUNDS = 4
"""Runs of the small loop. The interpreter specializes bytecode in place (PEP 659) during the first few executions:
code that is still generic after the fork is rewritten in every child, on pages that are copied for it."""


class NoPrompter:
    """The prompter of the service, in which no person can be asked: prompts are answered through control."""

    name: str = "nobody"

    async def ask(self, prompt: Prompt) -> str | None:
        """Return None: the loop waits for an answer through control."""
        return None


def warm_up(database: Store, directory: Path) -> None:
    """Run the small loop in this database, as a child of the service runs one."""
    loaded = Loaded(settings=MODEL.of(StoreSettings(path=str(database.path))), origins={})
    # In the form that a child receives, so that the decoder of settings is built here.
    settings = (
        child_startup.decode(child_startup.Startup(writer="").renewed(loaded).encode()).in_force(MODEL).settings
    )
    requested = LoopSpec(name="warm-up", desired_state=MANIFEST % directory, mode=Mode.CONTINUOUS)
    spec = build.prepare(requested, settings)
    with database.write() as tx:
        loop = loop_rows.create_loop(tx, spec)
    server.load_ahead()
    for _ in range(ROUNDS):
        # As a child does: a helper that is executed would take the time of an interpreter's start in each round.
        asyncio.run(_run(database, loop.id, settings, Helper.fork("warm-up")))


class _EncodingWriter:
    """Writes directly, and also encodes and decodes as for the writer, so that the codecs are built here."""

    def __init__(self, database: Store) -> None:
        self._database = database
        self._lane = Lane(0)

    def execute(self, calls: Sequence[UnitCall]) -> Any:
        self._lane.submit(calls, None)
        result = None
        with self._database.write() as tx:
            for call in calls:
                done = call.unit.function(tx, **call.unit.decode(call.encode()))
                result = call.unit.decode_result(call.unit.encode_result(done))
        return result


async def _run(database: Store, loop_id: int, settings: Settings, helper: Helper) -> None:
    journal = process.claim(database, loop_id, _EncodingWriter(database))
    loop = journal.read(loop_rows.get_loop, loop_id)
    engine = build.build(
        journal,
        loop,
        build.read(loop.spec, settings),
        settings=settings,
        people=NoPrompter(),
        stop=StopSignal(),
        clock=SystemClock(),
        served=build.ServiceSupport(rest=0.0, helper=helper),
    )
    try:
        await process.run(engine)
    finally:
        await engine.rules.close()
        await engine.modules.close()
        process.release(journal)
