"""What the shell announces while the user types."""

from __future__ import annotations

from ftl2_enterprise.core.problem import Code, Problem, unavailable
from ftl2_enterprise.ctl.repl import notifications
from ftl2_enterprise.ctl.repl.snapshot import Snapshot
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.loops.replies import PromptLine
from tests.support.data.builders import loop_line, prompt


def seen(*loops, prompts=()) -> Snapshot:
    return Snapshot(
        is_read=True, loops=tuple(loops), prompts=tuple(PromptLine(prompt=one, loop="web") for one in prompts)
    )


def news(before: Snapshot, now: Snapshot) -> list[str]:
    return [one.plain for one in notifications.news(before, now)]


def test_a_new_prompt_is_announced_once():
    before, now = seen(), seen(prompts=[prompt(3)])
    assert news(before, now) == ["web asks: Restart nginx now? (yes / no)", "  -> answer 3"]
    assert news(now, now) == []


def test_prompts_of_the_first_snapshot_are_not_announced():
    assert news(Snapshot(), seen(prompts=[prompt(3)])) == []


def test_prompts_created_while_the_service_was_unreachable_are_announced():
    gone = Snapshot(is_read=True, problem=unavailable("cannot reach"))
    assert news(gone, seen(prompts=[prompt(3)])) == [
        "the service is back",
        "web asks: Restart nginx now? (yes / no)",
        "  -> answer 3",
    ]


def test_many_prompts_at_once_are_counted():
    lines = news(seen(), seen(prompts=[prompt(n) for n in range(1, 10)]))
    assert len(lines) == 11
    assert lines[-1] == "and 4 more prompts: prompts"


def test_a_lost_service_is_announced_once():
    gone = Snapshot(is_read=True, problem=unavailable("cannot reach"))
    assert news(seen(), gone) == ["the service is unreachable, trying again"]
    assert news(gone, gone) == []
    assert news(gone, seen()) == ["the service is back"]


def test_a_refusal_is_explained():
    refused = Snapshot(problem=Problem(Code.DENIED, "cannot reach the service: permission denied", hint="ask for it"))
    assert news(Snapshot(), refused) == [
        "the service denies access",
        "  cannot reach the service: permission denied",
        "  ask for it",
    ]


def test_a_loop_that_failed_is_announced_once():
    bad = loop_line(state=LoopState.FAILED, outcome=Outcome.NOT_CONVERGED, reason="10 were not enough")
    assert news(seen(loop_line()), seen(bad)) == ["web not converged: 10 were not enough"]
    assert news(seen(bad), seen(bad)) == []
