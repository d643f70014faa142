"""A request for approval, in several scenarios."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.approvals import (
    ApprovalDetail,
    ApprovalState,
    RequiredPeople,
    ShownAction,
    ShownRequest,
    ShownVote,
)
from ftl2_enterprise.protocol.loops.nouns import PromptKind
from ftl2_enterprise.protocol.loops.replies import PromptLine
from tests.support.data.builders import ago, prompt

APPROVAL = ApprovalDetail(
    request=ShownRequest(
        id=1, loop_id=1, iteration_id=1, prompt_id=3, state=ApprovalState.OPEN,
        needs=[RequiredPeople(people=2, group="dba", not_requester=True)],
        actions=[
            ShownAction(n=1, module="copy", host="web1", params={"dest": "/etc/a"}, reason="a", diff="-a\n+b",
                asks="approval is required by site policy rule 3 (site.yaml line 7)"),
            ShownAction(n=2, module="reboot", host="web1", params={}, refused="denied by policy rule 1"),
        ],
        requester=None, asked_at=ago(60), deadline_at=ago(-3600), ended_at=None, used_by=None, reason=None,
    ),
    votes=[
        ShownVote(
            uid=7, name="ada", access="operate", groups=[], approved=True, reason="change 4711", given_at=ago(30)
        )
    ],
    missing="it needs the approval of 1 more person with access to operate",
    origin="model", decider="claude",
    reasoning="/etc/a differs.\npolicy: approval is not required\u2028  needs: no one",
)  # fmt: skip
TO_APPROVE = PromptLine(
    prompt=prompt(
        3,
        "Approve 1 action on web1?",
        options=["approve", "reject"],
        kind=PromptKind.APPROVAL,
        deadline_at=ago(-3600),
    ),
    loop="web",
    approval=APPROVAL,
)
