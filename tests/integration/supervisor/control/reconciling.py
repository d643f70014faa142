"""A reconciler with a manager, a writer and a root that a test controls."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.children import Child, Ending, Plan
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.problem import unavailable
from ftl2_enterprise.core.settings.sections import SupervisorSettings
from ftl2_enterprise.supervisor.control.children import Children
from ftl2_enterprise.supervisor.control.reconciler import Reconciler
from ftl2_enterprise.supervisor.control.root_link import RootLink
from ftl2_enterprise.supervisor.control.root_messages import StartChild
from tests.support.data.new_database import new_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from pathlib import Path

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx
    from ftl2_enterprise.store.unit import UnitCall


class CountingManager:
    """A manager that counts its passes and returns the plan that a test gives it."""

    prefix = "loop"
    status_words: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.passes = 0
        self.plan = Plan()
        self.end: UnitCall | None = None

    def ensure(self, tx: Tx, children: Mapping[str, Child], now: int, *, booted: bool) -> Plan:
        self.passes += 1
        return self.plan

    def ended(self, child: Child, ending: Ending) -> UnitCall | None:
        return self.end


class MoodyWriter:
    """A writer that answers, refuses, or is silent."""

    def __init__(self) -> None:
        self.mood = "answers"
        self.asked = 0

    async def execute(self, calls: Sequence[UnitCall], *, actor: str | None = None, gives_up: bool = True) -> Any:
        self.asked += 1
        if self.mood == "refuses":
            raise unavailable("cannot write the database: the disk is full")
        while self.mood == "is silent":
            await asyncio.sleep(0.005)
        return 0

    def start(self) -> None: ...

    async def close(self) -> None: ...

    def subscribe(self, callback: Callable[..., object]) -> Callable[[], None]:
        return lambda: None


class Stage:
    running: asyncio.Task[None]

    def __init__(self, store: Store, end: socket.socket) -> None:
        self.store = store
        self.manager = CountingManager()
        self.writer = MoodyWriter()
        self.children = Children()
        self.reconciler = Reconciler(
            store=store,
            writer=self.writer,
            children=self.children,
            managers=[self.manager],
            version=store.commit_counter(),
            clock=SystemClock(),
            order=lambda key: StartChild(key=key, argument=key),
            settings=lambda: SupervisorSettings(drain_timeout=7.0, max_running=5000),
        )
        self._end = end

    def heard(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            try:
                found.append(json.loads(self._end.recv(65536)))
            except BlockingIOError:
                return found

    async def hears(self, *expected: dict[str, Any]) -> list[dict[str, Any]]:
        """Until all of it was heard; everything that was."""
        found: list[dict[str, Any]] = []

        def complete() -> bool:
            found.extend(self.heard())
            return all(one in found for one in expected)

        await until(complete)
        return found

    async def passes(self, more: int) -> None:
        count = self.manager.passes + more
        await until(lambda: self.manager.passes >= count)

    async def quiet(self) -> None:
        """Until there are no more passes without a cause."""
        await until(lambda: self.reconciler.ready)
        seen = -1
        while seen != self.manager.passes:
            seen = self.manager.passes
            await asyncio.sleep(0.2)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def stage(directory: Path) -> AsyncGenerator[Stage]:
    store = new_database(directory / "loops.db")
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine.setblocking(False)
    made = Stage(store, mine)
    root = RootLink(theirs, lambda message: None, lambda: None)
    made.running = asyncio.create_task(made.reconciler.run(root))
    try:
        yield made
    finally:
        made.running.cancel()
        await asyncio.gather(made.running, return_exceptions=True)
        made.reconciler.close()
        root.close()
        mine.close()
        store.close()
