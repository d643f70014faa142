"""Queries and writes of prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, literal_column, or_, select
from sqlalchemy.exc import IntegrityError

from ftl2_enterprise.core import problem
from ftl2_enterprise.loops.lifecycle import PROMPT, PromptEvent
from ftl2_enterprise.loops.rows.loops import add_to_loop
from ftl2_enterprise.loops.tables import (
    iterations,
    loops,
    model_calls,
    prompts,
)
from ftl2_enterprise.protocol.loops.facts import (
    PromptAnswered,
    PromptDismissed,
    PromptExpired,
    PromptFact,
    loop_subject,
)
from ftl2_enterprise.protocol.loops.nouns import (
    Iteration,
    IterationOutcome,
    Mode,
    Prompt,
    PromptKind,
    PromptState,
)
from ftl2_enterprise.store.ids import BEYOND, was_given
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.rows import Reader
from ftl2_enterprise.store.transition import transition
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.core.clock import Instant

_PROMPTS = Reader(prompts, Prompt)

_INSERT = Prepared(insert(prompts))
_OF_LOOP = Prepared(_PROMPTS.select().where(prompts.c.loop_id == bindparam("of")).order_by(prompts.c.id))
_RUN_OF = Prepared(select(iterations.c.run).where(iterations.c.id == bindparam("row_id")))
_REVISION_OF = Prepared(select(iterations.c.revision).where(iterations.c.id == bindparam("row_id")))
_NOW = Prepared(select(loops.c.mode, loops.c.run).where(loops.c.id == bindparam("row_id")))
_MODEL_OF = Prepared(
    select(iterations.c.decided_by).where(
        iterations.c.id == bindparam("row_id"),
        select(model_calls.c.id).where(model_calls.c.iteration_id == iterations.c.id).exists(),
    )
)
_NEEDS_A_PERSON = (
    IterationOutcome.BLOCKED,
    IterationOutcome.FAILED,
    IterationOutcome.DENIED,
    IterationOutcome.PREVIEWED,
)
"""Outcomes of an iteration after which a continuous loop does not continue automatically."""
_LAST_END = Prepared(
    select(func.max(iterations.c.run)).where(
        iterations.c.loop_id == bindparam("of"),
        iterations.c.run < bindparam("before"),
        or_(
            # What was open then was withdrawn by the person who changed the desired state.
            iterations.c.revision < select(loops.c.revision).where(loops.c.id == bindparam("of")).scalar_subquery(),
            *(iterations.c.outcome == outcome for outcome in _NEEDS_A_PERSON),
        ),
    )
)


OWN = "engine:"
"""Beginning of the keys of questions that the engine asks; those of deciders never begin with it."""


def model_of(tx: Tx, prompt: Prompt) -> str | None:
    """The model that asks the question; None if a manifest, a rule or the engine does, or for an approval."""
    if prompt.kind is PromptKind.APPROVAL or prompt.key.startswith(OWN):
        return None
    found = _MODEL_OF.first(tx, {"row_id": prompt.iteration_id})
    return None if found is None else found[0]


def insert_prompt(  # noqa: PLR0913 - each is a column
    tx: Tx,
    iteration: Iteration,
    *,
    key: str,
    question: str,
    options: Sequence[str],
    default: str | None,
    context: str | None,
    deadline_at: Instant | None,
    kind: PromptKind = PromptKind.QUESTION,
    secret: bool = False,
) -> Prompt:
    """Insert a prompt. Raises Problem(conflict) when the loop has an open one with the same key."""
    row: dict[str, Any] = {
        "loop_id": iteration.loop_id,
        "iteration_id": iteration.id,
        "key": key,
        "question": question,
        "options": list(options),
        "default": default,
        "context": context,
        "state": PROMPT.initial,
        "asked_at": tx.now,
        "deadline_at": deadline_at,
        "kind": kind,
        "secret": secret,
    }
    try:
        prompt_id = _INSERT.insert(tx, row)
    except IntegrityError as error:
        raise problem.conflict(f'cannot ask "{key}" again: it is waiting for an answer') from error
    add_to_loop(tx, iteration.loop_id, open_prompts=1)
    return get_prompt(tx, prompt_id)


@unit
def answer_prompt(tx: Tx, prompt_id: int, answer: str, answered_by: str | None) -> Prompt:
    """Record the answer. Raises Problem(conflict) when the prompt is closed."""
    values = {"answer": answer, "answered_by": answered_by, "answered_at": tx.now}
    return _close(tx, prompt_id, PromptEvent.ANSWERED, values)


@unit
def expire_prompt(tx: Tx, prompt_id: int, *, unattended: bool = False) -> Prompt:
    """Close a prompt without an answer: its deadline has passed, or, `unattended`, there is no person to ask.

    Raises Problem(conflict) when it is closed.
    """
    return _close(tx, prompt_id, PromptEvent.EXPIRED, {}, unattended=unattended)


@unit
def dismiss_prompt(tx: Tx, prompt_id: int) -> Prompt:
    """Close a prompt that needs no answer any more. Raises Problem(conflict) when it is closed."""
    return _close(tx, prompt_id, PromptEvent.DISMISSED, {"dismissed_by": tx.actor})


def withdraw_prompt(tx: Tx, prompt_id: int, why: str) -> Prompt:
    """Close a prompt whose iteration has ended without its answer. Raises Problem(conflict) when it is closed."""
    return _close(tx, prompt_id, PromptEvent.DISMISSED, {"withdrawn": why})


def get_prompt(tx: Tx, prompt_id: int) -> Prompt:
    """One prompt. Raises Problem(not_found)."""
    found = _find(tx, prompt_id)
    if found is None:
        why = ": the loop that asked is deleted" if was_given(tx, prompts, prompt_id) else ""
        raise problem.not_found(f"cannot find the prompt {prompt_id}{why}", "see `ftl2-enterprise prompts`")
    return found


def get_prompt_to(tx: Tx, verb: str, prompt_id: int) -> Prompt:
    """One prompt, for a verb that the message names. Raises Problem(not_found)."""
    found = _find(tx, prompt_id)
    if found is None:
        why = "the loop that asked is deleted" if was_given(tx, prompts, prompt_id) else "there is no such prompt"
        raise problem.not_found(f"cannot {verb} prompt {prompt_id}: {why}", "`prompts` lists those that are open")
    return found


def get_prompts(tx: Tx, loop_id: int | None, *, state: PromptState | None = None) -> list[Prompt]:
    """The prompts of a loop, or of all loops, oldest first."""
    if loop_id is not None and state is None:
        return _PROMPTS.all(_OF_LOOP.rows(tx, {"of": loop_id}))
    query = _PROMPTS.select().order_by(prompts.c.id)
    if loop_id is not None:
        query = query.where(prompts.c.loop_id == loop_id)
    if state is not None:
        # A literal, because SQLite uses the partial index only for exactly its condition.
        query = query.where(prompts.c.state == literal_column(f"'{state.value}'"))
    return _PROMPTS.all(tx.connection.execute(query))


def of_iterations(tx: Tx, loop_id: int, ids: Sequence[int]) -> list[Prompt]:
    """The prompts that these iterations asked, oldest first."""
    if not ids:
        return []
    between = prompts.c.iteration_id.between(min(ids), max(ids))
    query = _PROMPTS.select().where(prompts.c.loop_id == loop_id, between).order_by(prompts.c.id)
    among = set(ids)
    return [one for one in _PROMPTS.all(tx.connection.execute(query)) if one.iteration_id in among]


def secret_prompts(tx: Tx) -> list[Prompt]:
    """The prompts whose answers are secrets."""
    return _PROMPTS.all(tx.connection.execute(_PROMPTS.select().where(prompts.c.secret)))


def get_prompt_of_iteration(tx: Tx, iteration: Iteration) -> Prompt:
    """The prompt of an iteration; there is at most one. Raises Problem(not_found)."""
    asked = [prompt for prompt in get_prompts(tx, iteration.loop_id) if prompt.iteration_id == iteration.id]
    if not asked:
        raise problem.not_found(f"cannot find the prompt of iteration {iteration.n}")
    return asked[-1]


def run_of_prompt(tx: Tx, prompt: Prompt) -> int:
    """The run of the loop in which the prompt was created."""
    run: int = _RUN_OF.scalar(tx, {"row_id": prompt.iteration_id})
    return run


def revision_of_prompt(tx: Tx, prompt: Prompt) -> int:
    """The revision of the desired state that the prompt was created about."""
    revision: int = _REVISION_OF.scalar(tx, {"row_id": prompt.iteration_id})
    return revision


def run_by_person(tx: Tx, loop_id: int) -> int:
    """The last run of the loop that a user started.

    A continuous loop starts the next run after its rest; every other run is started by `submit`, `start` or `retry`,
    or by a change of the desired state.
    """
    row = _NOW.first(tx, {"row_id": loop_id})
    if row is None:
        raise problem.not_found(f"cannot find the loop {loop_id}")
    mode, run = row
    if mode is not Mode.CONTINUOUS:
        return run
    return (_LAST_END.scalar(tx, {"of": loop_id, "before": run}) or 0) + 1


def _find(tx: Tx, prompt_id: int) -> Prompt | None:
    return _PROMPTS.get(tx, prompt_id) if prompt_id < BEYOND else None


def _close(tx: Tx, prompt_id: int, event: PromptEvent, values: dict[str, Any], *, unattended: bool = False) -> Prompt:
    before = get_prompt(tx, prompt_id)
    if before.state is not PromptState.OPEN:
        who = before.answered_by or before.dismissed_by
        by = f" by {who}" if who else ""
        verb = "answer" if event is PromptEvent.ANSWERED else "close"
        raise problem.conflict(f"cannot {verb} the prompt {prompt_id}: it is {before.state}{by} already")
    transition(tx, PROMPT, prompts, prompt_id, event, **values)
    add_to_loop(tx, before.loop_id, open_prompts=-1)
    prompt = get_prompt(tx, prompt_id)
    tx.emit(_closed(prompt, event, unattended=unattended), subject=loop_subject(prompt.loop_id))
    return prompt


def _closed(prompt: Prompt, event: PromptEvent, *, unattended: bool) -> PromptFact:
    """The fact that the prompt was closed by the event."""
    match event:
        case PromptEvent.ANSWERED:
            assert prompt.answer is not None
            return PromptAnswered(
                iteration_id=prompt.iteration_id,
                prompt_id=prompt.id,
                answer=prompt.answer,
                answered_by=prompt.answered_by,
            )
        case PromptEvent.EXPIRED:
            return PromptExpired(iteration_id=prompt.iteration_id, prompt_id=prompt.id, unattended=unattended)
        case PromptEvent.DISMISSED:
            return PromptDismissed(
                iteration_id=prompt.iteration_id,
                prompt_id=prompt.id,
                withdrawn=prompt.withdrawn,
                dismissed_by=prompt.dismissed_by,
            )


def newest_prompts(tx: Tx, loop_id: int | None, *, settled: bool, limit: int) -> list[Prompt]:
    """Prompts, newest first; only open ones unless `settled`."""
    query = _PROMPTS.select().order_by(prompts.c.id.desc()).limit(limit)
    if loop_id is not None:
        query = query.where(prompts.c.loop_id == loop_id)
    if not settled:
        # A literal, because SQLite uses the partial index only for exactly its condition.
        query = query.where(prompts.c.state == literal_column("'open'"))
    return _PROMPTS.all(tx.connection.execute(query))
