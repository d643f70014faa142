"""What people and programs see about approvals afterwards: who approved or rejected what, why, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.children import Table
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.handlers import prompts as prompt_handlers, queries
from ftl2_enterprise.protocol.loops.nouns import Mode
from ftl2_enterprise.protocol.loops.verbs import (
    ApprovePrompt,
    DismissPrompt,
    GetHistory,
    ListPrompts,
    RejectPrompt,
    ShowPrompt,
)
from ftl2_enterprise.render.json_output import document, text
from ftl2_enterprise.render.loops.history import page_lines
from ftl2_enterprise.render.loops.narrator import Narrator
from tests.support.loops.approving import ALICE, BOB, asking, do, latest, ran

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.replies import History
    from tests.support.loops.engine import Bench

BOUND = ("salt", "effects_digest", "observations_digest", "places")
"""Names of what an approval is bound to."""
RESTING = {"mode": Mode.CONTINUOUS, "interval": 0.01, "limits": RunLimits(rest=0.0)}


def history(b: Bench) -> History:
    with b.database.read() as tx:
        return queries.get_history(tx, GetHistory(loop="web", actions=True), Table())


def shown(b: Bench) -> str:
    return "\n".join(one.plain for one in page_lines(history(b), SystemClock().now()))


async def test_the_history_names_who_approved_and_why_at_the_question_and_at_its_execution(tmp_path: Path) -> None:
    with asking(tmp_path) as b:
        await b.run()
        do(b, ApprovePrompt(prompt=1, reason="change 4711"), ALICE)
        await b.run()
        found = history(b)
        assert "-> used: approved by alice (change 4711)" in shown(b)
        assert "approved by alice (change 4711), prompt 1" in shown(b)
    [record] = found.approvals
    assert (record.state, record.votes[0].name, record.votes[0].reason) == ("used", "alice", "change 4711")
    assert record.used_by == found.iterations[1].id


async def test_the_history_shows_a_void_approval_as_void(tmp_path: Path) -> None:
    with asking(tmp_path) as b:
        await b.run()
        do(b, ApprovePrompt(prompt=1, reason="change 4711"), ALICE)
        b.modules.world["load"] = 7
        await b.run()
        line = next(one for one in shown(b).splitlines() if "prompt 1:" in one)
        assert "-> void: " in line
        assert line.endswith("; it was approved by alice (change 4711)")
        assert ran(b) == []


async def test_actions_that_people_rejected_are_not_shown_like_those_that_policy_denies(tmp_path: Path) -> None:
    with asking(tmp_path, **RESTING) as b:
        await b.run()
        do(b, RejectPrompt(prompt=1, reason="not today"), BOB)
        await b.run()
        b.modules.world["load"] = 7
        await b.run()
        do(b, DismissPrompt(prompt=latest(b).prompt_id))
        await b.run()
        lines = shown(b)
        assert "-> rejected by bob: not today" in lines
        assert "rejected  1. copy on localhost" in lines
        assert "not approved 1. copy on localhost" in lines
        assert "-> dismissed" in lines
        assert "DENIED" not in lines
        narrator = Narrator()
        narrated = "\n".join(one.plain for event in b.events for one in narrator.lines_of_event(event))
        assert "rejected by bob: not today" in narrated
        assert "answered" not in narrated
        assert "DENIED" not in narrated
        assert (narrator.tally.rejected, narrator.tally.unapproved, narrator.tally.denied) == (2, 2, 0)


async def test_programs_do_not_get_what_an_approval_is_bound_to(tmp_path: Path) -> None:
    with asking(tmp_path) as b:
        await b.run()
        do(b, ApprovePrompt(prompt=1, reason="change 4711"), ALICE)
        with b.database.read() as tx:
            listed = prompt_handlers.list_prompts(tx, ListPrompts(settled=True), Table())
            detail = prompt_handlers.show_prompt(tx, ShowPrompt(prompt=1), Table())
        request = latest(b)
        for found in (document(listed), document(detail), document(history(b))):
            sent = text(found)
            assert not [name for name in BOUND if f'"{name}"' in sent]
            assert request.salt not in sent
            assert request.effects_digest not in sent
            assert "change 4711" in sent
