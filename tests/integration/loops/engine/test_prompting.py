"""Questions without an answer: what applies instead, and that starting the loop again asks them again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.loops import process
from ftl2_enterprise.loops.engine import prompting, reconcile
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from ftl2_enterprise.loops.handlers import loops as loop_handlers
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import loops as loop_rows, prompts, prompts as prompt_rows
from ftl2_enterprise.protocol.loops.decision import Ask, Decision
from ftl2_enterprise.protocol.loops.facts import LoopPaused
from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode, Outcome, PromptState
from ftl2_enterprise.protocol.loops.verbs import RetryLoop
from ftl2_enterprise.wiring.database import open_database
from tests.support.data.facts import sample
from tests.support.loops.engine import ScriptedDecider, ScriptedPeople, bench, forever
from tests.support.terminal.people import NoAnswer

if TYPE_CHECKING:
    from pathlib import Path

WHICH = Ask(question="Which?", options=["a", "b"], key="which")
DONE = Decision(converged=True)


def needs_the_answer(situation):
    """As a manifest does: it asks, continues with the answer, and is blocked by none."""
    answers = {one.key: one.answer for one in situation.answers}
    if "which" not in answers:
        return Decision(ask=WHICH)
    return DONE if answers["which"] else Decision(blocked="no answer to 'Which?'")


class Silent(ScriptedPeople):
    async def ask(self, prompt):
        if self.replies:
            return await super().ask(prompt)
        await forever()
        return None


def asked(b):
    with b.database.read() as tx:
        return prompts.get_prompts(tx, b.loop_id)


def dismiss(b):
    with b.database.write() as tx:
        prompts.dismiss_prompt(tx, asked(b)[-1].id)


async def test_a_question_that_expired_is_asked_again_when_a_person_retries(tmp_path):
    decider = ScriptedDecider(needs_the_answer)
    with bench(tmp_path, decider, people=Silent(), prompt_timeout=0.01) as b:
        loop = await b.run()
        assert (loop.state, len(asked(b))) == (LoopState.BLOCKED, 1)
        with b.database.write() as tx:
            loop_handlers.retry_loop(tx, RetryLoop(loop="web"))
        b.people.replies.append("b")
        loop = await b.run()
        first, second = asked(b)
    assert (loop.state, loop.outcome) == (LoopState.COMPLETED, Outcome.CONVERGED)
    assert (first.state, second.state, second.answer) == (PromptState.EXPIRED, PromptState.ANSWERED, "b")
    assert first.deadline_at is not None
    assert second.deadline_at is not None
    assert second.deadline_at > first.deadline_at


async def test_a_question_that_was_dismissed_is_asked_again_when_the_loop_is_run_again(tmp_path):
    with bench(tmp_path, ScriptedDecider(needs_the_answer)) as b:
        assert (await b.run()).state is LoopState.WAITING
        dismiss(b)
        # What is settled in a run stays so while it lasts.
        assert (await b.run()).state is LoopState.BLOCKED
        assert len(asked(b)) == 1
        assert (await b.run()).state is LoopState.WAITING
        assert [one.state for one in asked(b)] == [PromptState.DISMISSED, PromptState.OPEN]


async def test_an_answer_is_kept_when_the_loop_is_run_again(tmp_path):
    blocked = Decision(blocked="the disk is full")
    decider = ScriptedDecider(needs_the_answer, blocked, needs_the_answer)
    with bench(tmp_path, decider, people=ScriptedPeople(replies=["a"])) as b:
        assert (await b.run()).state is LoopState.BLOCKED
        assert (await b.run()).outcome is Outcome.CONVERGED
        assert [one.answer for one in asked(b)] == ["a"]


@pytest.mark.parametrize(
    "point", [LoopFaultPoint.PROMPT_ANSWERED, LoopFaultPoint.ITERATION_ENDED, LoopFaultPoint.ITERATION_STARTED]
)
async def test_a_run_that_is_interrupted_after_the_deadline_does_not_ask_twice(tmp_path, monkeypatch, point):
    class Crash(BaseException):
        pass

    def crash(reached):
        # An iteration is begun before the question is asked as well.
        if reached is point and (point is not LoopFaultPoint.ITERATION_STARTED or len(decider.situations) == 1):
            raise Crash

    decider = ScriptedDecider(needs_the_answer)
    with bench(tmp_path, decider, people=Silent(), prompt_timeout=0.01) as b:
        with monkeypatch.context() as patched:
            patched.setattr(reconcile, "reach", crash)
            patched.setattr(prompting, "reach", crash)
            with pytest.raises(Crash):
                await b.run()
        b.stop = StopSignal()
        assert [one.state for one in asked(b)] == [PromptState.EXPIRED]
        loop = await b.run()
        assert (loop.state, loop.reason) == (LoopState.BLOCKED, "no answer to 'Which?'")
        assert len(asked(b)) == 1


async def test_a_continuous_loop_asks_again_only_after_it_was_blocked(tmp_path, monkeypatch):
    again = Decision(ask=Ask(question="And now?", key="now"))
    decider = ScriptedDecider(Decision(ask=WHICH), DONE, DONE, Decision(blocked="no"))
    with bench(tmp_path, decider, mode=Mode.CONTINUOUS, interval=0.01) as b:
        monkeypatch.setattr(process, "POLL", 0.01)
        assert (await b.run()).state is LoopState.WAITING
        dismiss(b)
        assert (await asyncio.wait_for(b.run(), 10)).state is LoopState.BLOCKED
        answer_keys = [[one.key for one in situation.answers] for situation in decider.situations]
        assert answer_keys == [[], ["which"], ["which"], ["which"]]
        decider.script = [again]
        assert (await b.run()).state is LoopState.WAITING
        assert decider.situations[-1].answers == []


async def test_an_answer_that_comes_with_the_deadline_counts(tmp_path, monkeypatch):
    """An answer elsewhere between the last check and the expiry."""
    decider = ScriptedDecider(Decision(ask=Ask(question="Which?", options=["a", "b"], default="a")), DONE)
    from ftl2_enterprise.loops.engine import prompting

    expire = prompting._expire

    def late(engine, prompt):
        with engine.journal.store.write() as tx:
            prompts.answer_prompt(tx, prompt.id, "b", "somebody")
        expire(engine, prompt)

    class Silent(ScriptedPeople):
        async def ask(self, prompt):
            await forever()

    monkeypatch.setattr(prompting, "_expire", late)
    with bench(tmp_path, decider, people=Silent(), prompt_timeout=0.01) as b:
        loop = await asyncio.wait_for(b.run(), 10)
    assert loop.outcome is Outcome.CONVERGED
    assert [one.answer for one in decider.situations[1].answers] == ["b"]


async def test_a_loop_that_was_paused_while_it_waited_still_takes_its_answer(tmp_path):
    decider = ScriptedDecider(Decision(ask=Ask(question="Which port?")), DONE)
    with bench(tmp_path, decider) as b:
        await b.run()
        journal = process.claim(b.database, b.loop_id)
        with b.database.write() as tx:
            loop_rows.move_loop(tx, b.loop_id, journal.generation, sample(LoopPaused))
        process.release(journal)
        loop = await b.run()
        assert loop.state is LoopState.WAITING
        b.people.replies.append("80")
        loop = await b.run()
    assert loop.outcome is Outcome.CONVERGED
    assert b.kinds().count("prompt.asked") == 1


async def test_an_answer_of_one_run_is_known_in_the_next(tmp_path: Path):
    """A continuous loop does not ask the same again in every run."""
    ask = Decision(ask=Ask(question="Which port?", key="port"))
    deciding = ScriptedDecider(ask, Decision(converged=True))
    people = ScriptedPeople(["80"])
    with bench(tmp_path, deciding, people=people, mode=Mode.CONTINUOUS, interval=0.01) as b:

        def listen(event: Any) -> None:
            if event.kind == "loop.rested" and len(b.data("loop.rested")) == 2:
                b.stop.ask()

        b.database.listen(listen)
        await b.run()
    assert len(people.asked) == 1
    last = deciding.situations[-1]
    assert last.iteration == 1
    assert [(answer.key, answer.answer) for answer in last.answers] == [("port", "80")]


async def test_an_answer_from_another_process_resumes_the_loop_at_once(tmp_path: Path):
    deciding = ScriptedDecider(Decision(ask=Ask(question="Which port?")), Decision(converged=True))
    people: Any = NoAnswer()
    with bench(tmp_path, deciding, people=people) as b:
        running = asyncio.create_task(b.run())
        await asyncio.wait_for(people.asked.wait(), 20)
        assert b.loop().state is LoopState.WAITING
        other = open_database(tmp_path / "loops.db", create=False)
        try:
            with other.write() as tx:
                (prompt,) = prompt_rows.get_prompts(tx, b.loop_id)
                prompt_rows.answer_prompt(tx, prompt.id, "8080", "ben")
            answered = time.monotonic()
        finally:
            other.close()
        loop = await asyncio.wait_for(running, 20)
    assert time.monotonic() - answered < 3.0
    assert loop.outcome is Outcome.CONVERGED
    assert people.taken_back
    (answer,) = deciding.situations[1].answers
    assert (answer.answer, answer.answered_by) == ("8080", "ben")
