"""Prompts: durable questions that any process may answer; the process of the loop only waits for the answer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import after, seconds_between
from ftl2_enterprise.core.faults import reach
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.gate.approvals import why_not_allowed
from ftl2_enterprise.loops import approval_terms
from ftl2_enterprise.loops.fault_points import LoopFaultPoint
from ftl2_enterprise.loops.ports import UNATTENDED, PromptAnswer
from ftl2_enterprise.loops.rows import (
    approvals as approval_rows,
    prompts as prompt_rows,
    revisions as revision_rows,
)
from ftl2_enterprise.loops.secret_answers import SecretAnswers
from ftl2_enterprise.loops.secrets import Secret
from ftl2_enterprise.loops.units import approvals as approval_units, prompts as prompt_units
from ftl2_enterprise.protocol.loops.answers import BY_DEFAULT
from ftl2_enterprise.protocol.loops.approvals import APPROVE
from ftl2_enterprise.protocol.loops.nouns import Iteration, Loop, Prompt, PromptKind, PromptState

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.loops.engine.context import LoopContext
    from ftl2_enterprise.protocol.caller import Caller
    from ftl2_enterprise.protocol.loops.decision import Decision
    from ftl2_enterprise.store.tx import Tx

POLL = 0.2
"""Seconds between checks for an answer that another process recorded."""

OWN = prompt_rows.OWN
"""Beginning of the keys of questions that the engine asks."""


def answers(tx: Tx, loop: Loop) -> tuple[list[PromptAnswer], dict[str, Secret]]:
    """The closed questions of the loop, oldest first, and the answers that are secrets, by key.

    If a key was asked again, only the latest. A question without an answer is left out, and so asked again, if a
    person has started the loop again since; also one whose answer was a secret that is lost.
    """
    settled: dict[str, PromptAnswer] = {}
    secrets: dict[str, Secret] = {}
    since: int | None = None
    for prompt in prompt_rows.get_prompts(tx, loop.id):
        if prompt.state is PromptState.OPEN or prompt.kind is PromptKind.APPROVAL:
            continue
        settled.pop(prompt.key, None)
        secrets.pop(prompt.key, None)
        if prompt.answer is None:
            since = prompt_rows.run_by_person(tx, loop.id) if since is None else since
            if prompt_rows.run_of_prompt(tx, prompt) < since:
                continue
        elif prompt.secret:
            if (kept := SecretAnswers(tx.database).get(prompt)) is None:
                continue
            secrets[prompt.key] = Secret(kept)
        settled[prompt.key] = PromptAnswer(
            key=prompt.key,
            question=prompt.question,
            answer=prompt.answer,
            answered_by=prompt.answered_by,
            is_current=loop.revision == 1
            or revision_rows.have_same_steps(tx, loop.id, prompt_rows.revision_of_prompt(tx, prompt), loop.revision),
        )
    return list(settled.values()), secrets


def put(
    engine: LoopContext, iteration: Iteration, decision: Decision, *, by: str, until: Instant | None = None
) -> Prompt:
    """Commit the question of the decision; it expires at `until`, or earlier by the loop's time-out for prompts."""
    assert decision.ask is not None
    timeout = engine.spec.prompt_timeout
    deadline = after(engine.clock.now(), timeout) if timeout is not None else None
    if until is not None:
        deadline = until if deadline is None else min(deadline, until)
    prompt = engine.journal.commit(
        prompt_units.ask,
        iteration,
        engine.journal.generation,
        decision,
        by=by,
        key=decision.ask.key or decision.ask.question,
        deadline=deadline,
    )
    reach(LoopFaultPoint.PROMPT_ASKED)
    return prompt


async def settle(engine: LoopContext, prompt: Prompt) -> Prompt | None:
    """Wait until the question is closed.

    None when it stays open: no person is here to ask, or a stop was requested.
    """
    if prompt.state is PromptState.OPEN:
        if not engine.is_served:
            await _wait(engine, prompt)
        elif _left(engine, prompt) == 0:
            _expire(engine, prompt)
        prompt = engine.journal.read(prompt_rows.get_prompt, prompt.id)
    if prompt.state is PromptState.OPEN:
        return None
    reach(LoopFaultPoint.PROMPT_ANSWERED)
    return prompt


async def _wait(engine: LoopContext, prompt: Prompt) -> None:
    """Return when a person here or through another process answers, the deadline passes, or a stop is requested."""
    asking = asyncio.create_task(_ask(engine, prompt))
    elsewhere = asyncio.create_task(_settled_elsewhere(engine, prompt))
    stopped = asyncio.create_task(engine.stop.requested.wait())
    tasks = {asking, elsewhere, stopped}
    try:
        done, _ = await asyncio.wait(tasks, timeout=_left(engine, prompt), return_when=asyncio.FIRST_COMPLETED)
        if not done:
            _expire(engine, prompt)
        elif asking in done and elsewhere not in done:
            answer = asking.result()
            if answer is not None:
                _answer(engine, prompt, answer)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _ask(engine: LoopContext, prompt: Prompt) -> str | None:
    if prompt.kind is PromptKind.APPROVAL and engine.journal.read(_cannot_approve, prompt, engine.person):
        # Another person has to approve it, through another process.
        return None
    return await engine.prompter.ask(prompt)


def _cannot_approve(tx: Tx, prompt: Prompt, person: Caller | None) -> bool:
    request = approval_rows.of_prompt(tx, prompt.id)
    if request is None or person is None:
        return True
    if any(vote.uid == person.uid for vote in approval_rows.get_votes(tx, request.id)):
        return True
    return why_not_allowed(approval_terms.terms_of(request), approval_terms.approver_of(person)) is not None


def _left(engine: LoopContext, prompt: Prompt) -> float | None:
    """Seconds until the deadline; None without a deadline."""
    if prompt.deadline_at is None:
        return None
    return max(0.0, seconds_between(engine.clock.now(), prompt.deadline_at))


async def _settled_elsewhere(engine: LoopContext, prompt: Prompt) -> None:
    # Another process writes the answer, so there is no event to wait for, only a row to poll.
    while engine.journal.read(prompt_rows.get_prompt, prompt.id).state is PromptState.OPEN:  # noqa: ASYNC110
        await asyncio.sleep(POLL)


def _answer(engine: LoopContext, prompt: Prompt, answer: str) -> None:
    if prompt.kind is PromptKind.APPROVAL:
        _decide(engine, prompt, answer)
        return
    with _unless_settled(engine, prompt):
        chosen = answer if prompt.secret else engine.redactor.text(answer)
        engine.journal.commit(prompt_units.answer, prompt, chosen, engine.prompter.name)


def _decide(engine: LoopContext, prompt: Prompt, answer: str) -> None:
    """Record what the person at this terminal decided about actions."""
    assert engine.person is not None
    with _unless_settled(engine, prompt):
        if answer == UNATTENDED:
            engine.journal.commit(prompt_rows.expire_prompt, prompt.id, unattended=True)
        else:
            engine.journal.commit(
                approval_units.decide, prompt.id, engine.person, approved=answer == APPROVE, reason=None
            )
            reach(LoopFaultPoint.APPROVAL_GIVEN)


def _expire(engine: LoopContext, prompt: Prompt) -> None:
    """Close a question whose deadline has passed: record its default as the answer, or else that it expired."""
    with _unless_settled(engine, prompt):
        if prompt.default is not None:
            engine.journal.commit(prompt_rows.answer_prompt, prompt.id, prompt.default, BY_DEFAULT)
        else:
            engine.journal.commit(prompt_rows.expire_prompt, prompt.id)


@contextlib.contextmanager
def _unless_settled(engine: LoopContext, prompt: Prompt) -> Generator[None]:
    try:
        yield
    except Problem as problem:
        # Another process answered after the last check, so its answer counts.
        settled = engine.journal.read(prompt_rows.get_prompt, prompt.id)
        if problem.code is not Code.CONFLICT or settled.state is PromptState.OPEN:
            raise
