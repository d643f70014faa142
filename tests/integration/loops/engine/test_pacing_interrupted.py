"""Attempts that were begun and interrupted, and a clock that was set back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from ftl2_enterprise.core.clock import after
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.tables import actions
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import IterationOutcome, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, failed, forever
from tests.support.loops.runs import outcomes

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult

RESTART = ActionSpec(module="service", params={"name": "own", "state": "restarted"}, step="restart")


def again() -> ScriptedDecider:
    return ScriptedDecider(lambda _: Decision(actions=[RESTART], unmet=["it is out of place"]))


async def test_an_action_that_ends_its_own_process_is_not_repeated_without_end(tmp_path: Path) -> None:
    modules = ScriptedModules()
    limits = RunLimits(retry_delay=0.01, attempts=3)
    with bench(tmp_path, again(), modules=modules, limits=limits) as b:

        async def restart(call: ModuleCall) -> ModuleResult:
            b.stop.requested.set()
            b.stop.now.set()
            return await forever()

        modules.handlers["service"] = restart
        loop = b.loop()
        for _ in range(8):
            if loop.outcome is None:
                b.stop = StopSignal()
                loop = await b.run()
        assert len(modules.ran("service")) == 3
    assert loop.outcome is Outcome.NOT_CONVERGED
    assert loop.reason is not None
    assert "restart (service) on localhost was tried 3 times in this run" in loop.reason


async def test_a_clock_that_is_set_back_leads_to_no_further_pauses(tmp_path: Path) -> None:
    modules = ScriptedModules()
    modules.handlers["service"] = lambda call: failed("rc 1", rc=1)

    def decide(_: object) -> Decision:
        # As if the attempts had ended two hours later than now.
        with b.database.write() as tx:
            late = after(tx.now, 7200.0)
            tx.connection.execute(update(actions).where(actions.c.ended_at.is_not(None)).values(ended_at=late))
        return Decision(actions=[RESTART], unmet=["it is out of place"])

    limits = RunLimits(retry_delay=0.01, attempts=3)
    with bench(tmp_path, ScriptedDecider(decide), modules=modules, limits=limits) as b:
        await b.run()
        assert outcomes(b).count(IterationOutcome.ACTED) == 3
        assert outcomes(b).count(IterationOutcome.DELAYED) <= 3
