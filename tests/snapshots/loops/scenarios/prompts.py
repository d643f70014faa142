"""Scenarios of prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.loops.approvals import (
    ApprovalDetail,
    ApprovalRequest,
    ApprovalState,
    ApprovalVote,
    ProposedAction,
    RequiredPeople,
)
from ftl2_enterprise.protocol.loops.nouns import (
    PromptKind,
    PromptState,
)
from ftl2_enterprise.protocol.loops.replies import (
    PromptDetail,
    PromptLine,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListPrompts,
)
from ftl2_enterprise.render.loops import (
    prompts,
)
from tests.snapshots.loops.scenarios.details import SETTLED
from tests.snapshots.loops.scenarios.lists import ASKED
from tests.snapshots.scenario import NOW, FixedReader, Scenario, fixed
from tests.support.data import awkward
from tests.support.data.builders import ago, observation, prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.render.text import Line


AWKWARD_PROMPT = prompt(
    5, awkward.PARAGRAPH, options=[awkward.CONTROL, awkward.WIDE], context=awkward.PARAGRAPH, default=awkward.LONG
)
OBSERVED = [
    observation(result='{"changed": true, "rc": 0, "stdout": "active\\n"}'),
    observation("disk", '{"free": "2 GB", "used": 0.91, "mounts": ["/", "/var"]}'),
    observation("ping", error="cannot connect to web1"),
    observation("manifest:files", "{}"),
    *(observation(f"check {n}", '{"msg": "ok"}') for n in range(8)),
]


def of_prompts(reader: FixedReader, *, settled: bool = False) -> Any:
    return prompts.prompts_view(reader, loop=None, settled=settled)


PROMPTS_VIEW = [
    Scenario("open", of_prompts, {ListPrompts: ASKED}, has_colour=True, has_json=True),
    Scenario("settled", lambda reader: of_prompts(reader, settled=True), {ListPrompts: [*SETTLED, *ASKED]}),
    Scenario("awkward texts", of_prompts, {ListPrompts: [PromptLine(prompt=AWKWARD_PROMPT, loop=awkward.LONG)]}),
    Scenario("none open", of_prompts, {ListPrompts: []}),
    Scenario("none", lambda reader: of_prompts(reader, settled=True), {ListPrompts: []}),
]


def detailed(asked: Any, desired: str = "nginx runs", loop_name: str = "web") -> Callable[[FixedReader], list[Line]]:
    detail = PromptDetail(prompt=asked, loop=loop_name, desired_state=desired, observations=OBSERVED)
    return lambda _: prompts.detail_lines(fixed(detail), NOW)


APPROVAL = ApprovalDetail(
    request=ApprovalRequest(
        id=1, loop_id=1, iteration_id=1, prompt_id=3, state=ApprovalState.OPEN,
        needs=[RequiredPeople(people=2, group="dba", not_requester=True)],
        actions=[
            ProposedAction(n=1, module="copy", host="web1", params={"dest": "/etc/a"}, reason="a", diff="-a\n+b"),
            ProposedAction(n=2, module="reboot", host="web1", params={}, refused="denied by policy rule 1"),
        ],
        salt="5a" * 16, effects_digest="e" * 64, observations_digest="0" * 64, requester=None, asked_at=ago(60),
        deadline_at=ago(-3600), ended_at=None, used_by=None, reason="it was asked again",
    ),
    votes=[
        ApprovalVote(
            id=1, loop_id=1, approval_id=1, uid=7, name="ada", access="operate", groups=[], approved=True,
            reason="change 4711", effects_digest="e" * 64, observations_digest="0" * 64, given_at=ago(30),
        )
    ],
    missing="1 more person must approve",
)  # fmt: skip


def of_approval(_: FixedReader) -> list[Line]:
    asked = prompt(3, "Approve 1 action on web1?", options=["approve", "reject"], kind=PromptKind.APPROVAL)
    found = PromptDetail(prompt=asked, loop="web", desired_state="a", observations=[], approval=APPROVAL)
    return prompts.detail_lines(fixed(found), NOW)


PROMPT = [
    Scenario("approval", of_approval, has_colour=True),
    Scenario("approved by one of two", lambda _: [prompts.decided(prompt(3), APPROVAL)]),
    Scenario("approved", lambda _: [prompts.decided(prompt(3, answer="approve"), None)]),
    Scenario("rejected", lambda _: [prompts.decided(prompt(3, answer="reject"), None)]),
    Scenario("dismissed approval", lambda _: prompts.dismissed(prompt(3, kind=PromptKind.APPROVAL))),
    Scenario("open", detailed(prompt()), has_colour=True),
    Scenario("answered", detailed(prompt(state=PromptState.ANSWERED, answer="yes", answered_by="ada (uid 7)"))),
    Scenario("expired", detailed(prompt(state=PromptState.EXPIRED, default="later"))),
    Scenario("awkward texts, of a manifest", detailed(AWKWARD_PROMPT, "steps:\n- a\n", awkward.WIDE)),
    Scenario("dismissed without a default", lambda _: prompts.dismissed(prompt())),
    Scenario("dismissed with a default", lambda _: prompts.dismissed(prompt(answer="no"))),
    Scenario(
        "more open prompts than are shown",
        lambda reader: prompts.open_prompt_lines(
            reader, fixed([PromptLine(prompt=prompt(n), loop="web") for n in range(1, 8)])
        ),
    ),
    Scenario(
        "notice of a prompt",
        lambda _: [
            one
            for asked in (ASKED[0], PromptLine(AWKWARD_PROMPT, awkward.LONG))
            for one in prompts.asked_notice(asked)
        ],
    ),
    Scenario(
        "notices of settled prompts",
        lambda _: [
            prompts.settled_notice(7, None),
            *(
                prompts.settled_notice(7, prompt(7, state=state, answer="yes", answered_by="ada (uid 7)"))
                for state in (PromptState.ANSWERED, PromptState.EXPIRED, PromptState.DISMISSED)
            ),
        ],
    ),
]
