"""Units of work about questions; see `units.runs`."""

from __future__ import annotations

from ftl2_enterprise.core.redact import MASK
from ftl2_enterprise.loops.lifecycle import IterationEvent
from ftl2_enterprise.loops.rows import loops as loop_rows, prompts as prompt_rows
from ftl2_enterprise.loops.secret_answers import SecretAnswers
from ftl2_enterprise.loops.units import runs as run_units
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.facts import LoopAnswered, LoopAsked, PromptAsked, loop_subject
from ftl2_enterprise.protocol.loops.nouns import Iteration, IterationOutcome, Prompt
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit


@unit
def ask(
    tx: Tx, iteration: Iteration, generation: int, decision: Decision, *, by: str, key: str, deadline: int | None
) -> Prompt:
    """Commit the question of the decision; the loop waits for its answer."""
    assert decision.ask is not None
    prompt = prompt_rows.insert_prompt(
        tx,
        iteration,
        key=key,
        question=decision.ask.question,
        options=decision.ask.options,
        default=decision.ask.default,
        context=decision.reasoning or None,
        deadline_at=deadline,
        secret=decision.ask.secret,
    )
    record_asked(tx, iteration, decision, prompt, by=by)
    loop_rows.move_loop(tx, iteration.loop_id, generation, LoopAsked(prompt_id=prompt.id))
    if decision.unmet:
        run_units.note_condition(tx, iteration, generation, decision)
    return prompt


def record_asked(tx: Tx, iteration: Iteration, decision: Decision, prompt: Prompt, *, by: str) -> None:
    """Record in the iteration and as a fact that its decision has put this prompt to people."""
    loop_rows.move_iteration(
        tx,
        iteration.id,
        IterationEvent.ASKED,
        decided_by=by,
        reasoning=decision.reasoning,
        decision=decision,
        decided_at=tx.now,
    )
    asked = PromptAsked(
        iteration_id=iteration.id,
        prompt_id=prompt.id,
        question=prompt.question,
        options=prompt.options,
        default=prompt.default,
        context=prompt.context,
        deadline_at=prompt.deadline_at,
        secret=prompt.secret,
        model=prompt_rows.model_of(tx, prompt),
    )
    tx.emit(asked, subject=loop_subject(iteration.loop_id))


@unit
def answer(tx: Tx, prompt: Prompt, text: str, answered_by: str | None) -> Prompt:
    """Record the answer to the prompt, which was open; a secret is kept next to the database.

    Raises Problem: conflict when the prompt is closed by now, unavailable or denied when the secret cannot be kept.
    """
    answered = prompt_rows.answer_prompt(tx, prompt.id, MASK if prompt.secret else text, answered_by)
    if prompt.secret:
        # Only now: another process may have answered before.
        SecretAnswers(tx.database).put(prompt, text)
    return answered


@unit
def end_asking(tx: Tx, iteration: Iteration, generation: int, prompt_id: int, *, stopped: str | None = None) -> None:
    """Record that the question is closed: the iteration ends, and blocks the loop if `stopped` has a reason."""
    loop_rows.move_loop(tx, iteration.loop_id, generation, LoopAnswered(prompt_id=prompt_id))
    run_units.end_iteration(
        tx,
        iteration,
        generation,
        IterationOutcome.ASKED if stopped is None else IterationOutcome.BLOCKED,
        error=stopped,
        loop_values={"failed_iterations": 0, "rule_streak": 0},
    )
