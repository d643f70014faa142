"""What the process of `control_process.ControlProcess` runs: control with simple managers, writing directly."""

from __future__ import annotations

import json
import logging
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ftl2_enterprise.core.children import Candidate, Child, Ending, Plan, Urgency
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.loops.handlers import table as handlers
from ftl2_enterprise.loops.tables import loops
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.facts import LoopProcessEnded
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState
from ftl2_enterprise.protocol.subject import SERVICE
from ftl2_enterprise.store import events
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import UnitCall, unit
from ftl2_enterprise.supervisor.control import main as control
from ftl2_enterprise.supervisor.control.dispatch import Handlers
from ftl2_enterprise.supervisor.control.root_messages import StartChild
from ftl2_enterprise.supervisor.logs import event_log_files
from ftl2_enterprise.supervisor.subjects import Subjects
from ftl2_enterprise.supervisor.writer.frames import Committed
from ftl2_enterprise.wiring import views
from ftl2_enterprise.wiring.database import open_database
from ftl2_enterprise.wiring.loops import capability, gather, host_trust
from ftl2_enterprise.wiring.settings import MODEL
from tests.support.data.facts import sample
from tests.support.service.reading import reader_here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.core.settings.model import Loaded
    from ftl2_enterprise.store.database import Store


class OwnWriter:
    """Writes directly, in the process of control."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, calls: Sequence[UnitCall], *, actor: str | None = None, gives_up: bool = True) -> Any:
        result = None
        with self._store.write() as tx:
            tx.actor = actor
            for call in calls:
                result = call.execute(tx)
        return result

    def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def subscribe(self, callback: Callable[[Committed], object]) -> Callable[[], None]:
        def publish(event: Event) -> None:
            callback(Committed(event.id, fact_of(event).wakes))

        return self._store.listen(publish)


class SimpleManager:
    """A process for every loop that wants to run; `slow` and `broken` loops are what they are called."""

    prefix = "loop"
    status_words: Mapping[str, str] = {}

    def ensure(self, tx: Tx, children: Mapping[str, Child], now: int, *, booted: bool) -> Plan:
        rows = tx.connection.execute(select(loops.c.id, loops.c.name, loops.c.desired, loops.c.state)).all()
        if any(row.name == "broken" for row in rows):
            raise RuntimeError("this manager is broken on purpose")
        requested = {
            f"loop:{row.id}" for row in rows if row.desired is Desired.RUN and row.state is LoopState.PENDING
        }
        return Plan(
            start=tuple(map(Candidate, sorted(requested - set(children)))),
            stop={key: Urgency.SAFE_POINT for key in children if key not in requested},
            counts={"running": len(children)},
        )

    def ended(self, child: Child, ending: Ending) -> UnitCall | None:
        return record_end.call(ending.why, ending.status)


@unit
def record_end(tx: Tx, why: Why, status: int | None) -> None:
    """How a process ended; whose it was is of no matter here."""
    tx.emit(sample(LoopProcessEnded, why=why, status=status), subject=SERVICE)


class OtherManager:
    """Wants one process, always."""

    prefix = "other"
    status_words: Mapping[str, str] = {}

    def ensure(self, tx: Tx, children: Mapping[str, Child], now: int, *, booted: bool) -> Plan:
        return Plan(start=() if children else (Candidate("other:1"),), counts={"others": len(children)})

    def ended(self, child: Child, ending: Ending) -> UnitCall | None:
        return None


SUBJECTS = Subjects(capability.CAPABILITY.subjects)


def main(given: dict[str, Any]) -> int:
    database = Path(given["database"])
    read = open_database(database, create=True)
    config = Path(given["config"])

    def load() -> Loaded:
        return MODEL.load(config=config)

    loaded = load()

    def facts_after(cursor: int, limit: int) -> Sequence[Event]:
        with read.read() as tx:
            return events.list_events(tx, after=cursor, limit=limit)

    def newest() -> int:
        with read.read() as tx:
            return events.last_event(tx)

    def name_of(subject: str) -> str | None:
        with read.read() as tx:
            return SUBJECTS.name_of(tx, subject)

    directory = Path(loaded.settings.log.directory)
    directory.mkdir(exist_ok=True)
    return control.main(
        control.Parts(
            listener=socket.socket(fileno=given["listener"]),
            root=socket.socket(fileno=given["root"]),
            store=read,
            writer=OwnWriter(open_database(database, create=False)),
            handlers=Handlers(
                reads=handlers.READS,
                writes=handlers.WRITES,
                system=host_trust.SYSTEM,
                renders=views.RENDERS,
                gathers=gather.gathers(reader_here(loaded.settings)),
            ),
            managers=[SimpleManager(), OtherManager()] if given["others"] else [SimpleManager()],
            subjects=SUBJECTS,
            order=lambda key, found: StartChild(key=key, argument=key.partition(":")[2]),
            loaded=loaded,
            load=load,
            version="0.1.0",
            facts=event_log_files.FactLog(
                directory=directory, max_bytes=1_000_000, read=facts_after, newest=newest, name_of=name_of
            ),
        )
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(main(json.loads(sys.argv[1])))
