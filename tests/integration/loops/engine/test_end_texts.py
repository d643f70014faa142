"""The reason of a run that did not converge names the step and the cause."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.facts import IterationDecided, IterationDelayed
from ftl2_enterprise.render.loops.narrator import Narrator
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, failed

if TYPE_CHECKING:
    from pathlib import Path

QUICK = RunLimits(retry_delay=0.01)
START = ActionSpec(module="service", host="web", params={"name": "web"}, reason="web server: the unit web is stopped")
AGAIN = Decision(
    actions=[START], reasoning="1 of 1 step is out of place. To do: web server.", unmet=["web server on web: stopped"]
)


def broken() -> ScriptedModules:
    modules = ScriptedModules({"web": []})
    modules.handlers["service"] = lambda call: failed("no")
    return modules


async def test_iterations_that_were_not_enough_name_what_is_out_of_place(tmp_path: Path) -> None:
    values = {"modules": broken(), "limits": QUICK, "max_iterations": 2}
    with bench(tmp_path, ScriptedDecider(lambda _: AGAIN), **values) as b:
        ended = await b.run()
    assert ended.reason == (
        "2 iterations were not enough; last: service on web: no; not as desired: web server on web: stopped"
    )


async def test_a_pause_is_a_fact_and_a_line(tmp_path: Path) -> None:
    again = replace(AGAIN, actions=[replace(START, step="web server")])
    with bench(tmp_path, ScriptedDecider(lambda _: again), modules=broken(), limits=RunLimits(retry_delay=60.0)) as b:
        running = asyncio.create_task(b.run())
        async with asyncio.timeout(10):
            while "iteration.delayed" not in b.kinds():
                await asyncio.sleep(0)
        b.stop.requested.set()
        await running
        (fact,) = [fact for event in b.events if isinstance(fact := fact_of(event), IterationDelayed)]
    assert (fact.calls, fact.attempts, fact.of) == (["web server (service) on web"], 1, 3)
    fact = replace(fact, seconds=60.0)
    shown = [line.plain.strip() for line in Narrator().lines_of(fact)]
    assert shown == ["waits 60 s to try web server (service) on web again: 1 of 3 attempts"]


async def test_actions_that_are_left_for_later_are_counted(tmp_path: Path) -> None:
    other = replace(START, params={"name": "db"})
    plans = iter([AGAIN, replace(AGAIN, actions=[START, other])])
    values = {"modules": broken(), "limits": RunLimits(retry_delay=30.0), "max_iterations": 2}
    with bench(tmp_path, ScriptedDecider(lambda _: next(plans)), **values) as b:
        await b.run()
        facts = [fact for event in b.events if isinstance(fact := fact_of(event), IterationDecided)]
    assert [one.later for one in facts] == [0, 1]
    shown = [line.plain.strip() for line in Narrator().lines_of(facts[1])]
    assert shown[-1] == "scripted proposes 2 actions, 1 of them for a later iteration"


async def test_what_could_not_be_observed_is_not_called_out_of_place(tmp_path: Path) -> None:
    unseen = replace(AGAIN, unmet=["web server on web: no answer"], unknown=["web server on web: no answer"])
    values = {"modules": broken(), "limits": QUICK, "max_iterations": 2}
    with bench(tmp_path, ScriptedDecider(lambda _: unseen), **values) as b:
        ended = await b.run()
    assert ended.reason is not None
    assert ended.reason.endswith("; unknown: web server on web: no answer")
