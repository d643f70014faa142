"""A loop whose writer is killed at any of its commits gets exactly as far as one that writes directly."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.protocol.loops.decision import (
    ActionSpec,
    Ask,
    Decision,
    ObservationSpec,
    StateOp,
)
from ftl2_enterprise.protocol.loops.nouns import Loop, Outcome
from ftl2_enterprise.store import events
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, ScriptedPeople, bench, failed, ok
from tests.support.service.writing import WriterProcess

DISK = ObservationSpec(name="disk", module="command", params={"cmd": "df"})


def script() -> ScriptedDecider:
    return ScriptedDecider(
        Decision(reasoning="first", actions=[ActionSpec(module="touch"), ActionSpec(module="break")]),
        Decision(reasoning="second", ask=Ask(question="Which port?", options=["80", "8080"])),
        Decision(
            reasoning="third",
            actions=[ActionSpec(module="touch", params={"path": "/srv"})],
            state_ops=[StateOp(op="add_host", name="web7", ansible_host="192.0.2.7")],
        ),
        Decision(converged=True, reasoning="all is well"),
        observe=[DISK],
    )


async def loop_through(
    tmp_path, *, fault: str = "", direct: bool = False
) -> tuple[Loop, list[tuple[str, Any]], list[str]]:
    """The loop at its end, every fact, and what was really done."""
    modules = ScriptedModules({"web1": ["web"]})
    modules.handlers["touch"] = lambda call: ok(changed=True, stdout="x" * 5000)
    modules.handlers["break"] = lambda call: failed("no such thing")
    people = ScriptedPeople(replies=["8080"])
    with bench(tmp_path, script(), modules=modules, people=people) as b:
        writer = WriterProcess(tmp_path, b.database.path)
        try:
            if not direct:
                writer.start(fault)
                link = b.writer = writer.link()
                again = asyncio.create_task(asyncio.to_thread(_start_again, writer)) if fault else None
                # In a thread: the loop blocks its event loop while the writer is gone, as it does in its own process.
                loop = await asyncio.to_thread(lambda: asyncio.run(b.run()))
                if again is not None:
                    await again
                link.close()
            else:
                loop = await b.run()
        finally:
            writer.close()
        with b.database.read() as tx:
            facts = [(one.kind, one.data.get("iteration_id")) for one in events.list_events(tx, limit=1000)]
    return loop, facts, [call.module for call in modules.calls]


def _start_again(writer: WriterProcess) -> None:
    assert writer.ended() == -9
    writer.start()


@pytest.mark.parametrize("point", [FaultPoint.BEFORE_COMMIT, FaultPoint.WRITER_COMMITTED])
@pytest.mark.parametrize("nth", [2, 3, 9, 17])
async def test_a_loop_continues_when_the_writer_is_killed_at_any_of_its_commits(tmp_path, point, nth):
    (tmp_path / "plain").mkdir()
    (tmp_path / "killed").mkdir()
    expected = await loop_through(tmp_path / "plain", direct=True)
    found = await loop_through(tmp_path / "killed", fault=f"{point}#{nth}=kill")
    assert found[1:] == expected[1:]
    assert expected[0].outcome is Outcome.CONVERGED
    for name in ("state", "outcome", "condition", "iteration_count", "action_count", "changed_count", "failed_count"):
        assert getattr(found[0], name) == getattr(expected[0], name), name
