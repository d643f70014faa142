"""How prompts ended, in words that all views share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.answers import BY_DEFAULT
from ftl2_enterprise.protocol.loops.approvals import APPROVE, REJECTED_BY, ApprovalState
from ftl2_enterprise.protocol.loops.nouns import Prompt, PromptKind, PromptState
from ftl2_enterprise.render.loops.approvals import consent
from ftl2_enterprise.render.text import Line, Role, line, one_line, person, symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.approvals import ApprovalDetail, ApprovalRecord, ShownRequest, ShownVote

_DISMISSED = f"{BY_DEFAULT}, dismissed"
WITHDRAWN = "withdrawn"
_GOOD = {"answered", "approved", "used"}


def state_word(prompt: Prompt, approval: ApprovalState | None, now: Instant) -> str:
    """The state of a prompt; of one that asks for an approval, how its request stands or ended."""
    if prompt.state is PromptState.OPEN:
        return "expired" if prompt.deadline_at is not None and now >= prompt.deadline_at else "open"
    return _ended(prompt, approval)


def _ended(prompt: Prompt, approval: ApprovalState | None) -> str:
    if prompt.withdrawn is not None:
        return WITHDRAWN
    if prompt.state is not PromptState.ANSWERED:
        return str(prompt.state)
    if prompt.kind is PromptKind.APPROVAL:
        given = ApprovalState.APPROVED if prompt.answer == APPROVE else ApprovalState.REJECTED
        return str(given if approval in {None, ApprovalState.OPEN} else approval)
    return _word_of(prompt.answered_by)


def _word_of(answered_by: str | None) -> str:
    """How a question with an answer ended: its default counts if it expired or was dismissed."""
    if (answered_by or "").startswith(_DISMISSED):
        return str(PromptState.DISMISSED)
    return str(PromptState.EXPIRED if answered_by == BY_DEFAULT else PromptState.ANSWERED)


def ending(prompt: Prompt, request: ShownRequest | ApprovalRecord | None, votes: Sequence[ShownVote] = ()) -> str:
    """How a prompt that is not open ended, by whom, and why."""
    word = _ended(prompt, request.state if request is not None else None)
    reason = prompt.withdrawn or (request.reason if request is not None else None) or ""
    if prompt.kind is PromptKind.APPROVAL:
        return _ending_of_approval(prompt, word, reason, votes)
    if prompt.withdrawn is not None:
        return f"{word}: {one_line(reason, 400)}"
    if prompt.answer is None:
        return f"{word}{_by(prompt.dismissed_by)} without an answer"
    return _with_answer(prompt.answer, prompt.answered_by)


def _by(name: str | None) -> str:
    return f" by {person(name)}" if name else ""


def _with_answer(answer: str, answered_by: str | None) -> str:
    word, shown = _word_of(answered_by), one_line(answer, 120)
    if word == PromptState.ANSWERED:
        return f"answered: {shown} (by {person(answered_by)})"
    who = (answered_by or "").partition(" by ")[2]
    # The time for an answer is over, or no person could be asked.
    what = "not answered" if word == PromptState.EXPIRED else f"{word}{_by(who)}"
    return f"{what}; its default counts: {shown}"


def answered(answer: str, answered_by: str | None) -> Line:
    """The answer to a question, and who gave it."""
    return line(symbol("✔", Role.GOOD), _with_answer(answer, answered_by), indent=2)


def _ending_of_approval(prompt: Prompt, word: str, reason: str, votes: Sequence[ShownVote]) -> str:
    match word:
        case "approved":
            return consent(votes, person(prompt.answered_by))
        case "used":
            return f"used: {consent(votes, person(prompt.answered_by))}"
        case "rejected":
            return one_line(reason or f"rejected by {person(prompt.answered_by)}", 400)
        case PromptState.DISMISSED:
            why = _by(prompt.dismissed_by)  # the reason repeats the word
        case _:
            why = f": {one_line(reason, 400)}" if reason else ""
    return f"{word}{why}{_decided_before(votes, reason)}"


def _decided_before(votes: Sequence[ShownVote], reason: str) -> str:
    """What people had decided about a request that ended in another way."""
    against = next((vote for vote in votes if not vote.approved), None)
    if against is None:
        return f"; it was {consent(votes)}" if any(vote.approved for vote in votes) else ""
    if reason.startswith(REJECTED_BY):
        return ""
    why = f" ({one_line(against.reason, 200)})" if against.reason else ""
    return f"; it was {REJECTED_BY}{one_line(against.name, 80)}{why}"


def ending_line(prompt: Prompt, approval: ApprovalDetail | None = None) -> Line:
    """How a prompt that is not open ended, as a line."""
    request = approval.request if approval is not None else None
    is_good = _ended(prompt, request.state if request is not None else None) in _GOOD
    mark = symbol("✔", Role.GOOD) if is_good else symbol("-", Role.FAINT)
    text = ending(prompt, request, approval.votes if approval is not None else ())
    return line(mark, (text, Role.PLAIN if is_good else Role.WARNING), indent=2)


def settled_notice(prompt_id: int, prompt: Prompt | None) -> Line:
    """The notice that a prompt was settled while the user typed its answer; None when its loop was deleted."""
    why = "it was deleted with its loop" if prompt is None else ending(prompt, None)
    return line(symbol("!", Role.WARNING), (f"prompt {prompt_id}", Role.WARNING), f" is closed: {why}")
