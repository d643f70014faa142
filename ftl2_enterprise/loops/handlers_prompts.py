"""Questions and their answers: one function per verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.loops import store, store_observations, store_prompts, store_service
from ftl2_enterprise.loops.ports import BY_DEFAULT
from ftl2_enterprise.protocol.loop_replies import PromptDetail, PromptLine
from ftl2_enterprise.protocol.loop_verbs import AnswerPrompt, DismissPrompt, ListPrompts, ShowPrompt
from ftl2_enterprise.protocol.loops import Prompt, PromptState
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit
from ftl2_enterprise.terminal.answers import resolve
from ftl2_enterprise.terminal.text import one_line

if TYPE_CHECKING:
    from ftl2_enterprise.core.child import Table

_NOTHING_HIDDEN = Redactor()
_DISMISSED = f"{BY_DEFAULT}, dismissed"


@unit
def answer(tx: Tx, request: AnswerPrompt) -> Prompt:
    """Record the answer, once; its loop goes on soon after."""
    prompt = store_prompts.get_prompt_to(tx, "answer", request.prompt)
    _check_open(prompt, "answer")
    chosen = _NOTHING_HIDDEN.text(resolve(prompt, request.answer))
    return store_prompts.answer_prompt(tx, prompt.id, chosen, tx.actor)


@unit
def dismiss(tx: Tx, request: DismissPrompt) -> Prompt:
    """Close a question that nobody wants to answer: its default counts, as after its deadline, if it has one."""
    prompt = store_prompts.get_prompt_to(tx, "dismiss", request.prompt)
    if prompt.state is PromptState.DISMISSED or (prompt.answered_by or "").startswith(_DISMISSED):
        return prompt
    _check_open(prompt, "dismiss")
    if prompt.default is None:
        return store_prompts.dismiss_prompt(tx, prompt.id)
    return store_prompts.answer_prompt(tx, prompt.id, prompt.default, f"{_DISMISSED} by {tx.actor or 'somebody'}")


def list_prompts(tx: Tx, request: ListPrompts, children: Table) -> list[PromptLine]:
    """Questions, newest first."""
    loop_id = None if request.loop is None else store.get_loop(tx, request.loop).id
    found = store_service.newest_prompts(tx, loop_id, settled=request.settled, limit=request.limit)
    names = {prompt.loop_id: store_service.name_of_loop(tx, prompt.loop_id) for prompt in found}
    return [PromptLine(prompt=prompt, loop=names[prompt.loop_id]) for prompt in found]


def show_prompt(tx: Tx, request: ShowPrompt, children: Table) -> PromptDetail:
    """One question, and what was seen when it was asked."""
    prompt = store_prompts.get_prompt(tx, request.prompt)
    loop = store.get_loop(tx, prompt.loop_id)
    return PromptDetail(
        prompt=prompt,
        loop=loop.name,
        desired_state=loop.desired_state,
        observations=store_observations.get_observations(tx, prompt.iteration_id),
    )


def _check_open(prompt: Prompt, verb: str) -> None:
    if prompt.state is PromptState.OPEN:
        return
    given = ""
    if prompt.answered_by:
        given = f" by {one_line(prompt.answered_by)}: {one_line(prompt.answer or '', 80)!r}"
    raise conflict(f"cannot {verb} prompt {prompt.id}: it is {prompt.state}{given}")
