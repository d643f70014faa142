"""Handlers of prompts, one per verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.core.shorten import shorten_line
from ftl2_enterprise.loops import approval_terms
from ftl2_enterprise.loops.rows import (
    approvals as approval_rows,
    loop_names,
    loops as loop_rows,
    observations as observation_rows,
    prompts as prompt_rows,
)
from ftl2_enterprise.loops.units import approvals as approval_units, prompts as prompt_units
from ftl2_enterprise.protocol.caller import Caller
from ftl2_enterprise.protocol.loops.answers import BY_DEFAULT, require_private, resolve
from ftl2_enterprise.protocol.loops.approvals import (
    APPROVE,
    ApprovalDetail,
    ApprovalRecord,
    ApprovalState,
    ShownRequest,
    ShownVote,
)
from ftl2_enterprise.protocol.loops.nouns import Prompt, PromptKind, PromptState
from ftl2_enterprise.protocol.loops.replies import PromptDetail, PromptLine
from ftl2_enterprise.protocol.loops.verbs import (
    AnswerPrompt,
    ApprovePrompt,
    DismissPrompt,
    ListPrompts,
    RejectPrompt,
    ShowPrompt,
)
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.core.children import Table
    from ftl2_enterprise.protocol.loops.approvals import ApprovalRequest, ApprovalVote

_NOTHING_HIDDEN = Redactor()
_DISMISSED = f"{BY_DEFAULT}, dismissed"


@unit
def answer_prompt(tx: Tx, request: AnswerPrompt, caller: Caller) -> Prompt:
    """Record the answer, once; the manager then wakes the loop. `approve` and `reject` are answers, too."""
    prompt = prompt_rows.get_prompt_to(tx, "answer", request.prompt)
    _check_open(prompt, "answer")
    if prompt.kind is PromptKind.APPROVAL:
        return approval_units.decide(tx, prompt.id, caller, approved=resolve(prompt, request.answer) == APPROVE)
    require_private(prompt, is_private=request.is_private)
    chosen = resolve(prompt, request.answer)
    return prompt_units.answer(tx, prompt, chosen if prompt.secret else _NOTHING_HIDDEN.text(chosen), tx.actor)


@unit
def approve_prompt(tx: Tx, request: ApprovePrompt, caller: Caller) -> Prompt:
    """Record that the caller approves the listed actions."""
    return approval_units.decide(tx, request.prompt, caller, approved=True, reason=_reason(request.reason))


@unit
def reject_prompt(tx: Tx, request: RejectPrompt, caller: Caller) -> Prompt:
    """Record that the caller rejects the listed actions."""
    return approval_units.decide(tx, request.prompt, caller, approved=False, reason=_reason(request.reason))


def _reason(text: str) -> str | None:
    return _NOTHING_HIDDEN.text(text.strip()) or None


@unit
def dismiss_prompt(tx: Tx, request: DismissPrompt) -> Prompt:
    """Close a question without an answer: its default is used if it has one, as after its deadline."""
    prompt = prompt_rows.get_prompt_to(tx, "dismiss", request.prompt)
    if prompt.state is PromptState.DISMISSED or (prompt.answered_by or "").startswith(_DISMISSED):
        return prompt
    _check_open(prompt, "dismiss")
    if prompt.default is None:
        return prompt_rows.dismiss_prompt(tx, prompt.id)
    return prompt_rows.answer_prompt(
        tx, prompt.id, prompt.default, f"{_DISMISSED} by {tx.actor or 'an unknown user'}"
    )


def list_prompts(tx: Tx, request: ListPrompts, children: Table) -> list[PromptLine]:
    """Prompts, newest first."""
    loop_id = None if request.loop is None else loop_rows.get_loop(tx, request.loop).id
    found = prompt_rows.newest_prompts(tx, loop_id, settled=request.settled, limit=request.limit)
    names = {prompt.loop_id: loop_names.name_of_loop(tx, prompt.loop_id) for prompt in found}
    return [
        PromptLine(
            prompt=prompt,
            loop=names[prompt.loop_id],
            approval=approval_of(tx, prompt),
            model=prompt_rows.model_of(tx, prompt),
        )
        for prompt in found
    ]


def show_prompt(tx: Tx, request: ShowPrompt, children: Table) -> PromptDetail:
    """One prompt, with the observations of the iteration that asked."""
    prompt = prompt_rows.get_prompt(tx, request.prompt)
    loop = loop_rows.get_loop(tx, prompt.loop_id)
    return PromptDetail(
        prompt=prompt,
        loop=loop.name,
        desired_state=loop.desired_state,
        observations=observation_rows.get_observations(tx, prompt.iteration_id),
        approval=approval_of(tx, prompt),
        model=prompt_rows.model_of(tx, prompt),
    )


def approval_of(tx: Tx, prompt: Prompt) -> ApprovalDetail | None:
    """What the prompt asks people to approve, with their decisions; None for a question."""
    request = approval_rows.of_prompt(tx, prompt.id) if prompt.kind is PromptKind.APPROVAL else None
    if request is None:
        return None
    votes = approval_rows.get_votes(tx, request.id)
    is_open = request.state is ApprovalState.OPEN
    asked = loop_rows.get_iteration(tx, request.iteration_id)
    return ApprovalDetail(
        request=msgspec.convert(request, ShownRequest, from_attributes=True),
        votes=shown_votes(votes),
        missing=approval_terms.missing(request, votes) if is_open else None,
        again=approval_rows.why_again(tx, approval_rows.previous(tx, request), request.iteration_id),
        origin=request.actions[0].origin if request.actions else None,
        decider=asked.decided_by,
        reasoning=asked.reasoning or None,
    )


def record_of(tx: Tx, request: ApprovalRequest) -> ApprovalRecord:
    """How the request stands or ended, and who decided about it."""
    return ApprovalRecord(
        id=request.id,
        prompt_id=request.prompt_id,
        iteration_id=request.iteration_id,
        state=request.state,
        votes=shown_votes(approval_rows.get_votes(tx, request.id)),
        asked_at=request.asked_at,
        ended_at=request.ended_at,
        used_by=request.used_by,
        reason=request.reason,
    )


def shown_votes(votes: Sequence[ApprovalVote]) -> list[ShownVote]:
    """The decisions, without what they are bound to."""
    return [msgspec.convert(one, ShownVote, from_attributes=True) for one in votes]


def _check_open(prompt: Prompt, verb: str) -> None:
    if prompt.state is PromptState.OPEN:
        return
    given = ""
    if prompt.answered_by:
        given = f" by {shorten_line(prompt.answered_by, 200)}: {shorten_line(prompt.answer or '', 80)!r}"
    raise conflict(f"cannot {verb} prompt {prompt.id}: it is {prompt.state}{given}")
