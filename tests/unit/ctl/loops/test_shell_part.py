"""What the shell shows of loops: the toolbar, the notices while the user types, and the greeting."""

from __future__ import annotations

from ftl2_enterprise.ctl.loops.questions import prompt_subject
from ftl2_enterprise.ctl.loops.shell_part import PART, LoopsState
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.loops.replies import LoopPage, PromptLine, Queued
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, ListRules, ShowLoop
from ftl2_enterprise.render.loops.standing import STOPPING
from tests.support.data.builders import SEVERAL, loop_line, prompt


def state(*loops, prompts=()) -> LoopsState:
    return LoopsState(loops=tuple(loops), prompts=tuple(PromptLine(prompt=one, loop="web") for one in prompts))


def bar(now: LoopsState) -> list[str]:
    return [text for text, _ in PART.toolbar(now)]


def news(before: LoopsState, now: LoopsState, shown: frozenset[str] = frozenset()) -> list[str]:
    return [one.plain for one in PART.notices(before, now, shown)]


# --- toolbar -------------------------------------------------------------------------------------------------------


def test_the_toolbar_counts_loops_and_prompts():
    assert bar(state(*SEVERAL, prompts=[prompt(3)])) == [
        "1 running", "1 resting", "1 waiting for you", "1 not converged", " 1 prompt: answer",
    ]  # fmt: skip


def test_loops_that_fail_are_not_counted_as_resting():
    loops = [*SEVERAL, loop_line("bad", id=5, state=LoopState.RESTING, reason="no route")]
    assert {"1 resting", "1 failing"} <= set(bar(state(*loops)))


def test_queued_loops_are_counted_once():
    queued = Queued(place=1, taken=1, places=1)
    loops = [
        loop_line("a", state=LoopState.PENDING),
        loop_line("b", state=LoopState.PENDING, queued=queued),
        loop_line("c", state=LoopState.RESTING, reason="no route", queued=queued),
    ]
    assert bar(state(*loops)) == ["2 queued", "1 starting"]


def test_the_toolbar_without_active_loops():
    assert bar(state()) == ["no active loops"]
    assert bar(state(loop_line(state=LoopState.COMPLETED))) == ["no active loops"]


def test_the_toolbar_shows_that_the_service_is_stopping():
    assert bar(LoopsState(draining=True, loops=(loop_line(),))) == [STOPPING, "1 running"]
    assert bar(LoopsState(draining=True)) == [STOPPING]


# --- notices -------------------------------------------------------------------------------------------------------


def test_a_new_prompt_is_announced_once():
    before, now = state(), state(prompts=[prompt(3)])
    assert news(before, now) == ["web asks: Restart nginx now? (yes / no)", "  -> answer 3"]
    assert news(now, now) == []


def test_a_prompt_that_a_command_has_shown_is_not_announced():
    assert news(state(), state(prompts=[prompt(3)]), frozenset({prompt_subject(3)})) == []


def test_many_prompts_at_once_are_counted():
    lines = news(state(), state(prompts=[prompt(n) for n in range(1, 10)]))
    assert len(lines) == 11
    assert lines[-1] == "and 4 more prompts: prompts"


def test_a_failed_loop_is_announced_once():
    bad = loop_line(state=LoopState.FAILED, outcome=Outcome.NOT_CONVERGED, reason="10 were not enough")
    assert news(state(loop_line()), state(bad)) == ["web not converged: 10 were not enough"]
    assert news(state(bad), state(bad)) == []


def test_the_greeting_names_the_next_step():
    def greeting(now: LoopsState) -> list[str]:
        return [one.plain for one in PART.greeting(now)]

    assert greeting(state(loop_line(), prompts=[prompt(3)])) == ["1 prompt waits for you: answer"]
    assert greeting(state(loop_line(), prompts=[prompt(3), prompt(4)])) == ["2 prompts wait for you: answer"]
    assert greeting(state()) == ["no loops yet: submit -f FILE"]
    assert greeting(state(loop_line())) == []


# --- completion ----------------------------------------------------------------------------------------------------


def test_names_for_completion_come_from_the_state():
    now = state(loop_line(), prompts=[prompt(3)])
    assert PART.reply(now, ListLoops(finished=True)) == LoopPage(loops=list(now.loops))
    assert PART.reply(now, ListPrompts()) == list(now.prompts)
    assert PART.reply(now, ListRules()) == []
    assert PART.reply(now, ShowLoop(loop="web")) is None
