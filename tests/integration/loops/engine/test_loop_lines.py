"""What lines of lists have from elsewhere: what a person has left out, pauses, and what follows from the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ftl2_enterprise.core.children import Table
from ftl2_enterprise.core.clock import after
from ftl2_enterprise.loops.engine import decide
from ftl2_enterprise.loops.rows import loop_list, loops as loop_rows
from ftl2_enterprise.loops.units.revisions import put_in_force
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Ask, Decision
from ftl2_enterprise.protocol.loops.nouns import Condition, LoopState, Mode, Outcome, PendingRetry
from ftl2_enterprise.render.loops.attention import needs_attention
from tests.support.loops.engine import ScriptedDecider, bench

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.protocol.loops.replies import LoopLine
    from tests.support.loops.engine import Bench

EXCEPT = Decision(converged=True, left_out=["nginx", "page"])


def line_of(b: Bench) -> LoopLine:
    with b.database.read() as tx:
        (found,), _ = loop_list.lines(tx, Table(), finished=True, before=None, limit=10)
    return found


async def test_a_loop_converges_with_exceptions(tmp_path: Path) -> None:
    with bench(tmp_path, ScriptedDecider(EXCEPT)) as b:
        ended = await b.run()
        assert (ended.outcome, ended.condition) == (Outcome.CONVERGED, Condition.IN_SYNC)
        assert ended.left_out == line_of(b).left_out == ["nginx", "page"]
        assert [one["left_out"] for one in b.data("loop.converged")] == [["nginx", "page"]]


async def test_what_is_in_place_again_is_no_exception(tmp_path: Path) -> None:
    act = Decision(actions=[ActionSpec(module="touch")], left_out=["page"])
    with bench(tmp_path, ScriptedDecider(act, Decision(converged=True))) as b:
        found: list[list[str]] = []
        b.database.listen(lambda event: found.append(line_of(b).left_out) if event.kind == "action.started" else None)
        assert (await b.run()).left_out == []
    assert found == [["page"]]


async def test_a_change_of_the_steps_ends_the_exceptions(tmp_path: Path) -> None:
    """Then the answer that left the step out does not count any more."""
    ask = Decision(ask=Ask(key="failed:1:nginx", question="How to continue?", options=["leave this step out"]))
    with bench(tmp_path, ScriptedDecider(ask, EXCEPT), mode=Mode.CONTINUOUS, interval=60) as b:
        b.people.replies = ["leave this step out"]
        b.database.listen(lambda event: b.stop.ask() if event.kind == "loop.rested" else None)
        assert (await b.run()).left_out == ["nginx", "page"]
        assert [one.is_current for one in snapshot(b).answers] == [True]
        with b.database.write() as tx:
            put_in_force(tx, b.loop(), replace(b.loop().spec, interval=10, labels={"tier": "web"}), reason=None)
        # Neither changes the step.
        assert b.loop().left_out == ["nginx", "page"]
        assert [one.is_current for one in snapshot(b).answers] == [True]
        for text in ("other", b.loop().spec.desired_state):
            with b.database.write() as tx:
                put_in_force(tx, b.loop(), replace(b.loop().spec, desired_state=text), reason=None)
        assert b.loop().left_out == []
        assert [one.is_current for one in snapshot(b).answers] == [False]


def snapshot(b: Bench) -> decide.LoopSnapshot:
    with b.database.read() as tx:
        return decide.snapshot(tx, b.loop_id)


def test_a_line_is_stale_after_two_intervals_and_a_minute(tmp_path: Path) -> None:
    with bench(tmp_path, ScriptedDecider(EXCEPT), mode=Mode.CONTINUOUS, interval=600.0) as b:
        found: list[bool] = []
        for age in (100, 1250, 1270):
            with b.database.write() as tx:
                loop_rows.change_loop(tx, b.loop_id, observed_at=after(tx.now, -age))
            found.append(line_of(b).stale)
    assert found == [False, False, True]


async def test_a_finished_dry_run_needs_no_attention(tmp_path: Path) -> None:
    unseen = Decision(reasoning="Not every step could be observed.", unmet=["web cannot be observed: no route"])
    for dry_run in (True, False):
        with bench(tmp_path / str(dry_run), ScriptedDecider(unseen), dry_run=dry_run, max_iterations=1) as b:
            assert (await b.run()).outcome is Outcome.NOT_CONVERGED
            assert line_of(b).dry_run is dry_run
            assert needs_attention(line_of(b), b.loop().updated_at) is not dry_run


def test_what_a_loop_pauses_for_is_in_lists(tmp_path: Path) -> None:
    retry = PendingRetry(at=5, calls=["service on web"], attempts=1, of=3)
    with bench(tmp_path, ScriptedDecider(EXCEPT)) as b:
        assert line_of(b).retry is None
        with b.database.write() as tx:
            loop_rows.change_loop(tx, b.loop_id, retry=retry)
        assert line_of(b).retry == retry
        assert line_of(b).state is LoopState.PENDING
        with b.database.read() as tx:
            plan = tx.connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN SELECT id, retry, left_out FROM loops WHERE retry IS NOT NULL OR left_out <> '[]'"
            )
            assert "COVERING INDEX loops_notes" in str(plan.all())


async def test_a_loop_that_failed_needs_attention_while_its_next_run_is_in_progress(tmp_path: Path) -> None:
    unseen = Decision(reasoning="Not every step could be observed.", unmet=["web cannot be observed: no route"])
    done = Decision(converged=True)
    options = {"mode": Mode.CONTINUOUS, "interval": 0.01, "max_iterations": 1}
    with bench(tmp_path, ScriptedDecider(unseen, done), **options) as b:
        found: list[tuple[LoopState, int, bool]] = []

        def note(event: Event) -> None:
            if event.kind == "iteration.started":
                found.append((line_of(b).state, line_of(b).failures, needs_attention(line_of(b), event.at)))
            if event.kind == "loop.converged":
                b.stop.ask()

        b.database.listen(note)
        await b.run()
        assert found == [(LoopState.RUNNING, 0, False), (LoopState.RUNNING, 1, True)]
        assert line_of(b).failures == 0
