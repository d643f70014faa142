"""The words for the states of prompts, which are the same in all views."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ftl2_enterprise.protocol.loops.approvals import ApprovalState
from ftl2_enterprise.protocol.loops.nouns import PromptKind, PromptState
from ftl2_enterprise.render.loops.prompt_endings import answered, ending, ending_line, settled_notice, state_word
from tests.snapshots.loops.scenarios.approvals import APPROVAL
from tests.snapshots.scenario import NOW
from tests.support.data.builders import prompt

ASKED = prompt(3, options=["yes", "no"], default="no")
APPROVED = prompt(
    4, kind=PromptKind.APPROVAL, state=PromptState.ANSWERED, answer="approve", answered_by="ada (uid 7)"
)
WHY = "the observations changed since it was asked"


@pytest.mark.parametrize(
    ("state", "answer", "by", "word", "end"),
    [
        (PromptState.ANSWERED, "yes", "ada (uid 7, pid 8)", "answered", "answered: yes (by ada)"),
        (PromptState.ANSWERED, "no", "default", "expired", "not answered; its default counts: no"),
        (PromptState.ANSWERED, "no", "default, dismissed by ada (uid 7, pid 8)", "dismissed",
         "dismissed by ada; its default counts: no"),
        (PromptState.EXPIRED, None, None, "expired", "expired without an answer"),
        (PromptState.DISMISSED, None, None, "dismissed", "dismissed without an answer"),
    ],
)  # fmt: skip
def test_a_question_is_answered_only_if_a_person_answered_it(state, answer, by, word, end):
    one = replace(ASKED, state=state, answer=answer, answered_by=by)
    assert state_word(one, None, NOW) == word
    assert ending(one, None) == end
    assert end in settled_notice(3, one).plain
    if answer is not None:
        assert end in answered(answer, by).plain


@pytest.mark.parametrize("kind", PromptKind)
def test_a_prompt_that_no_person_dismissed_is_withdrawn(kind):
    why = "the desired state was changed by ada (revision 2)"
    one = replace(ASKED, kind=kind, state=PromptState.DISMISSED, withdrawn=why)
    void = replace(APPROVAL.request, state=ApprovalState.VOID, reason="the desired state was changed")
    for request in (None, void):
        assert state_word(one, request and request.state, NOW) == "withdrawn"
        assert ending(one, request) == f"withdrawn: {why}"


def test_a_question_whose_time_is_over_is_not_shown_as_open():
    assert state_word(replace(ASKED, deadline_at=NOW + 1), None, NOW) == "open"
    assert state_word(replace(ASKED, deadline_at=NOW), None, NOW) == "expired"


@pytest.mark.parametrize(
    ("state", "reason", "end"),
    [
        (ApprovalState.APPROVED, None, "approved by ada (change 4711)"),
        (ApprovalState.USED, None, "used: approved by ada (change 4711)"),
        (ApprovalState.VOID, WHY, f"void: {WHY}; it was approved by ada (change 4711)"),
        (ApprovalState.EXPIRED, "it expired", "expired: it expired; it was approved by ada (change 4711)"),
        (ApprovalState.REJECTED, "rejected by bob: no", "rejected by bob: no"),
    ],
)
def test_an_approval_is_named_by_how_it_ended(state, reason, end):
    approval = replace(APPROVAL, request=replace(APPROVAL.request, state=state, reason=reason))
    assert state_word(APPROVED, state, NOW) == state
    assert ending(APPROVED, approval.request, approval.votes) == end
    assert end in ending_line(APPROVED, approval).plain


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        (WHY, f"void: {WHY}; it was rejected by ada (not today)"),
        ("rejected by ada: not today; then bob had it run", "void: rejected by ada: not today; then bob had it run"),
    ],
)
def test_a_rejection_that_does_not_count_any_more_is_still_named(reason, end):
    against = replace(APPROVAL.votes[0], approved=False, reason="not today")
    request = replace(APPROVAL.request, state=ApprovalState.VOID, reason=reason)
    assert ending(replace(APPROVED, answer="reject"), request, [against]) == end


def test_the_reason_of_a_dismissed_approval_is_not_repeated():
    dismissed = replace(APPROVED, state=PromptState.DISMISSED, answer=None)
    request = replace(APPROVAL.request, state=ApprovalState.EXPIRED, reason="the request for approval was dismissed")
    assert ending(dismissed, request) == "dismissed"
    assert ending(replace(dismissed, dismissed_by="ada (uid 7, pid 8)"), request) == "dismissed by ada"
    question = replace(ASKED, state=PromptState.DISMISSED, answer=None, dismissed_by="ada (uid 7, pid 8)")
    assert ending(question, None) == "dismissed by ada without an answer"


def test_an_approval_is_named_by_its_answer_where_its_request_is_not_known():
    assert ending(APPROVED, None) == "approved by ada"
    assert ending(replace(APPROVED, answer="reject"), None) == "rejected by ada"
