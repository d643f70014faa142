"""Approving the actions that a prompt lists."""

from __future__ import annotations

import msgspec
import pytest

from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.protocol.loops.approvals import (
    ApprovalDetail,
    ApprovalState,
    RequiredPeople,
    ShownAction,
    ShownRequest,
)
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState, PromptKind, PromptState
from ftl2_enterprise.protocol.loops.replies import LoopDetail, PromptDetail
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ApprovePrompt, ShowLoop, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ListFreezes
from tests.support.data import builders


def detail(prompt, missing=None):
    request = ShownRequest(
        id=1, loop_id=1, iteration_id=1, prompt_id=3, state=ApprovalState.OPEN, needs=[RequiredPeople(people=2)],
        actions=[ShownAction(n=1, module="copy", host="web1", params={"dest": "/etc/a"})],
        requester=None, asked_at=0, deadline_at=1, ended_at=None, used_by=None, reason=None,
    )  # fmt: skip
    return PromptDetail(
        prompt=prompt,
        loop="web",
        desired_state="a",
        observations=[],
        approval=ApprovalDetail(request=request, missing=missing),
    )


def test_the_reply_names_who_else_has_to_approve(service, ctl):
    prompt = builders.prompt(3, kind=PromptKind.APPROVAL)
    service.on(ApprovePrompt, prompt)
    service.on(ShowPrompt, detail(prompt, "it needs the approval of 1 more person with access to operate"))
    status, out = ctl("approve", "3", "--reason", "change 4711")[:2]
    assert (status, out) == (0, "prompt 3: approved; it needs the approval of 1 more person with access to operate\n")
    assert service.asked_for(ApprovePrompt) == [ApprovePrompt(prompt=3, reason="change 4711")]


def test_the_reply_explains_what_happens_next(service, ctl):
    prompt = builders.prompt(
        3, kind=PromptKind.APPROVAL, state=PromptState.ANSWERED, answer="approve", answered_by="eva (uid 1000)"
    )
    service.on(ApprovePrompt, prompt)
    service.on(ShowPrompt, detail(prompt))
    assert "the loop observes again" in ctl("approve", "3")[1]


@pytest.mark.parametrize("words", [("approve", "3"), ("answer", "3", "approve")])
def test_the_reply_names_what_holds_the_loop(service, ctl, words):
    prompt = builders.prompt(
        3, kind=PromptKind.APPROVAL, state=PromptState.ANSWERED, answer="approve", answered_by="eva (uid 1000)"
    )
    for verb in (ApprovePrompt, AnswerPrompt):
        service.on(verb, prompt)
    service.on(ShowPrompt, detail(prompt))
    host = Freeze(id="5f3a", scope=FreezeScope.TARGET, of="WEB1", reason="disk", by="eva", since=0)
    other = msgspec.structs.replace(host, id="7b2a", of="web2")
    service.on(ListFreezes, [FreezeRecord(freeze=one) for one in (host, other)])
    end = "the loop observes again, and executes the actions if nothing has changed"
    for desired, when in (
        (Desired.RUN, "as far as the freeze permits"),
        (Desired.PAUSE, "after `ftl2ctl resume web`"),
    ):
        loop = builders.loop("web", state=LoopState.WAITING, desired=desired)
        service.on(ShowLoop, LoopDetail(loop=loop, process=None, open_prompts=[], last=None))
        status, out, _ = ctl(*words)
        assert (status, out.splitlines()) == (
            0, [f"prompt 3: approved; {when}, {end}", "frozen: calls on WEB1 by eva: disk (5f3a)"],
        )  # fmt: skip
