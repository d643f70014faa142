"""What a person who approves actions and follows the loop is shown, and the exit status."""

from __future__ import annotations

import pytest

from ftl2_enterprise.ctl.session import CtlSession
from ftl2_enterprise.protocol.loops.approvals import NOT_NEEDED
from ftl2_enterprise.protocol.loops.facts import ApprovalVoided, LoopAsked, LoopBlocked, LoopCompleted, LoopFailed
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome, PromptKind, PromptState
from ftl2_enterprise.protocol.loops.replies import LoopDetail, PromptDetail
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ShowLoop, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import EventPage, ListEvents, WatchEvents
from tests.support.data import builders
from tests.support.scripted.scripted_service import Stream

CHANGED = "the observations changed since it was asked: /etc/a on web1 is different"
COMPLETED = {"state": LoopState.COMPLETED, "outcome": Outcome.CONVERGED}


def approves(service, *facts, **ends):
    """Prompt 3 is approved, then these facts follow, after which the loop has these fields."""
    asked = builders.prompt(3, "Approve 1 action?", options=["approve", "reject"], kind=PromptKind.APPROVAL)
    given = {"state": PromptState.ANSWERED, "answered_by": "ada"}
    approved = builders.prompt(3, kind=PromptKind.APPROVAL, answer="approve", **given)
    prompts = iter([PromptDetail(prompt=asked, loop="web", desired_state="x", observations=[])])
    after = PromptDetail(prompt=approved, loop="web", desired_state="x", observations=[])
    service.on(
        AnswerPrompt, lambda request: builders.prompt(3, kind=PromptKind.APPROVAL, answer=request.answer, **given)
    )
    service.on(ShowPrompt, lambda _: after if service.asked_for(AnswerPrompt) else next(prompts, after))
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(
        WatchEvents, Stream([builders.event(n, kind, **fields) for n, (kind, fields) in enumerate(facts, 101)])
    )
    states = iter([builders.loop()])
    next_one = [builders.prompt(4, kind=PromptKind.APPROVAL)] if ends.get("state") is LoopState.WAITING else []
    ended = builders.loop(**ends)
    service.on(
        ShowLoop,
        lambda _: LoopDetail(loop=next(states, ended), process=None, open_prompts=next_one, last=None),
    )


def voided(reason=CHANGED, prompt_id=3):
    return ApprovalVoided, {"prompt_id": prompt_id, "reason": reason}


def test_an_approval_that_becomes_void_is_reported_with_the_reason_and_what_follows(service, ctl):
    approves(service, voided(), (LoopAsked, {"prompt_id": 4}), state=LoopState.WAITING, open_prompts=1)
    status, out, _ = ctl("answer", "3", "approve", "--wait")
    assert status == 13
    assert f"  the approval of prompt 3 is void: {CHANGED}\n" in out
    assert out.endswith("  answer: ftl2ctl answer 4\n")


@pytest.mark.parametrize(
    ("void", "end", "fields", "status"),
    [
        (voided(), LoopCompleted, COMPLETED, 13),
        (voided(NOT_NEEDED), LoopCompleted, COMPLETED, 0),
        (voided(prompt_id=2), LoopCompleted, COMPLETED, 0),
        (voided(), LoopFailed, {"state": LoopState.FAILED, "outcome": Outcome.DENIED}, 4),
        (voided(), LoopBlocked, {"state": LoopState.BLOCKED, "outcome": Outcome.BLOCKED}, 3),
    ],
)
def test_the_status_of_what_follows_a_void_approval(service, ctl, void, end, fields, status):
    approves(service, void, (end, {}), **fields)
    assert ctl("answer", "3", "approve", "--wait", "--json")[0] == status


class Typist:
    """A person who types one answer at a terminal."""

    def __init__(self, text):
        self.text = text

    def answer(self, question):
        return self.text if question.options else ""


@pytest.mark.parametrize(
    ("text", "end", "fields", "status"),
    [
        ("approve", LoopBlocked, {"state": LoopState.BLOCKED, "outcome": Outcome.BLOCKED}, 3),
        ("approve", LoopFailed, {"state": LoopState.FAILED, "outcome": Outcome.NOT_CONVERGED}, 1),
        ("approve", LoopAsked, {"state": LoopState.WAITING}, 0),
        ("reject", LoopFailed, {"state": LoopState.FAILED, "outcome": Outcome.UNAPPROVED}, 0),
        ("approve", LoopFailed, {"state": LoopState.FAILED, "outcome": Outcome.UNAPPROVED}, 11),
    ],
)
def test_a_person_at_a_terminal_gets_the_status_of_a_loop_that_does_not_continue(
    service, ctl, monkeypatch, text, end, fields, status
):
    approves(service, (end, {}), **fields)
    monkeypatch.setattr(CtlSession, "asker", Typist(text))
    assert ctl("answer", "3")[0] == status
