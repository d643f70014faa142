"""The overhead of the engine, compared with a plain script that does the same work and records less.

A figure of an iteration includes its share of the start of the run, which has ITERATIONS of them.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Row, medians_of_both
from ftl2_enterprise.adapters.hosts.local.calls import Helper
from ftl2_enterprise.adapters.hosts.remote import server
from ftl2_enterprise.adapters.models.settings import ModelSettings
from ftl2_enterprise.core.settings.sections import StoreSettings
from ftl2_enterprise.loops import process
from ftl2_enterprise.loops.ports import ModelCallLog, PromptAnswer, Situation, StopSignal
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, Prompt
from ftl2_enterprise.wiring.database import open_database
from ftl2_enterprise.wiring.loops import build
from ftl2_enterprise.wiring.settings import MODEL

COMMANDS = ["hostname", "uptime", "df -h /", "free -m"]
ITERATIONS = 20
SCRIPT = "a script, one step after another"


class _NoPeople:
    name = "default"

    async def ask(self, prompt: Prompt) -> str | None:
        return None


class _Decider:
    """A decider that acts `ITERATIONS - 1` times and then converges."""

    name = "claude"
    is_model = False

    def __init__(self, actions: int) -> None:
        self._actions = actions
        self.asked_at = 0.0

    def observations(self, answers: list[PromptAnswer]) -> list[ObservationSpec]:
        return []

    async def decide(self, situation: Situation, calls: ModelCallLog) -> Decision:
        self.asked_at = self.asked_at or time.perf_counter()
        if situation.iteration == ITERATIONS:
            return Decision(converged=True)
        act = ActionSpec(module="command", params={"cmd": "true"})
        return Decision(actions=[act] * self._actions)


@dataclass(frozen=True, kw_only=True)
class _Took:
    """Milliseconds of a loop with ITERATIONS iterations."""

    iteration: float
    until_asked: float
    """Milliseconds from the start of the run to the first call of its decider."""


def _ours(directory: Path, actions: int, *, served: bool = True) -> _Took:
    """Run a loop as the service does, with a helper that was forked before, or as the command `run` does."""
    # The model is not called, but is required.
    model = ModelSettings(command="true")
    # Its decider repeats one action.
    loops = LoopSettings(attempts=ITERATIONS, retry_delay=0.0)
    settings = MODEL.of(StoreSettings(path=str(directory / "loops.db")), model, loops)
    database = open_database(directory / "loops.db", create=True)
    observations = [ObservationSpec(name=cmd, module="command", params={"cmd": cmd}) for cmd in COMMANDS]
    spec = LoopSpec(
        name=f"bench-{time.monotonic_ns()}",
        desired_state="measured",
        decider="claude",
        observers=observations,
        max_iterations=ITERATIONS,
    )
    with database.write() as tx:
        loop = loop_rows.create_loop(tx, spec)

    support: build.ServiceSupport | None = None
    if served:
        server.load_ahead()
        support = build.ServiceSupport(rest=0.0, helper=Helper.fork("bench"))
        # As in the processes of the service: collections of garbage leave out what was loaded before.
        gc.collect()
        gc.freeze()

    async def run() -> _Took:
        journal = process.claim(database, loop.id)
        needs = build.read(loop.spec, settings)
        engine = build.build(
            journal, loop, needs, settings=settings, people=_NoPeople(), stop=StopSignal(), clock=build.SystemClock(),
            served=support,
        )  # fmt: skip
        decider = _Decider(actions)
        object.__setattr__(engine, "decider", decider)
        began = time.perf_counter()
        ended = await process.run(engine)
        seconds = time.perf_counter() - began
        assert ended.outcome == "converged", ended.reason
        await engine.modules.close()
        return _Took(iteration=seconds * 1000 / ITERATIONS, until_asked=(decider.asked_at - began) * 1000)

    took = asyncio.run(run())
    database.close()
    return took


def _peer(directory: Path, actions: int) -> float:
    """A plain script: the same commands sequentially, with four transactions for each iteration."""
    connection = sqlite3.connect(directory / "peer.db", isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table if not exists rows (id integer primary key, kind text, body text)")
    began = time.perf_counter()
    for _ in range(ITERATIONS):
        seen = [subprocess.run(["/bin/sh", "-c", cmd], capture_output=True, check=False).stdout for cmd in COMMANDS]
        connection.execute("insert into rows (kind, body) values ('iteration', ?)", (repr(seen),))
        for _ in range(actions):
            subprocess.run(["/bin/sh", "-c", "true"], capture_output=True, check=False)
            connection.execute("insert into rows (kind, body) values ('action', '')")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds * 1000 / ITERATIONS


def run() -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        for actions, served, name in (
            (0, True, "an iteration of a loop of the service, 4 observations"),
            (0, False, "an iteration in the foreground with its start, 4 observations"),
            (3, True, "an iteration of a loop of the service, 3 actions"),
        ):
            took: list[_Took] = []
            peers: list[float] = []
            medians_of_both(
                lambda: took.append(_ours(directory, actions, served=served)),  # noqa: B023
                lambda: peers.append(_peer(directory, actions)),  # noqa: B023
                runs=3,
            )
            ours, peer = min(one.iteration for one in took), min(peers)
            rows.append(Row(name=name, ours=ours, peer=peer, unit="ms", against=SCRIPT))
            if not served:
                first = min(one.until_asked for one in took)
                what = "the first model call after the run begins"
                rows.append(Row(name=what, ours=first, peer=peer, unit="ms", against=SCRIPT))
    return rows
