"""Scenarios of prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.protocol.loops.nouns import (
    Mode,
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
from ftl2_enterprise.render.loops import approvals, prompt_endings, prompts
from tests.snapshots.loops.scenarios.approvals import APPROVAL, TO_APPROVE
from tests.snapshots.loops.scenarios.details import SETTLED
from tests.snapshots.loops.scenarios.lists import ASKED
from tests.snapshots.scenario import NOW, FixedReader, Scenario, fixed
from tests.support.data import awkward
from tests.support.data.builders import loop, observation, prompt

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
    Scenario("an approval", of_prompts, {ListPrompts: [TO_APPROVE, *ASKED[1:]]}, has_colour=True),
    Scenario("settled", lambda reader: of_prompts(reader, settled=True), {ListPrompts: [*SETTLED, *ASKED]}),
    Scenario("awkward texts", of_prompts, {ListPrompts: [PromptLine(prompt=AWKWARD_PROMPT, loop=awkward.LONG)]}),
    Scenario("none open", of_prompts, {ListPrompts: []}),
    Scenario("none", lambda reader: of_prompts(reader, settled=True), {ListPrompts: []}),
]


def detailed(asked: Any, desired: str = "nginx runs", loop_name: str = "web") -> Callable[[FixedReader], list[Line]]:
    detail = PromptDetail(prompt=asked, loop=loop_name, desired_state=desired, observations=OBSERVED)
    return lambda _: prompts.detail_lines(fixed(detail), NOW)


def of_approval(_: FixedReader) -> list[Line]:
    asked = TO_APPROVE.prompt
    found = PromptDetail(prompt=asked, loop="web", desired_state="a", observations=[], approval=APPROVAL)
    return prompts.detail_lines(fixed(found), NOW)


PROMPT = [
    Scenario("approval", of_approval, has_colour=True),
    Scenario("approved by one of two", lambda _: [approvals.decided(prompt(3), APPROVAL)]),
    Scenario("approved", lambda _: [approvals.decided(prompt(3, answer="approve"), None)]),
    Scenario(
        "rejected",
        lambda reader: [
            approvals.rejected(reader, prompt(3), loop(mode=mode)) for mode in (Mode.SINGLE, Mode.CONTINUOUS)
        ],
    ),
    Scenario("commands of an approval", lambda reader: approvals.decision_offers(reader, 3)),
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
            prompt_endings.settled_notice(7, None),
            prompt_endings.settled_notice(
                7, prompt(7, state=PromptState.ANSWERED, answer="yes", answered_by="ada (uid 7)")
            ),
            *(
                prompt_endings.settled_notice(7, prompt(7, state=state))
                for state in (PromptState.EXPIRED, PromptState.DISMISSED)
            ),
        ],
    ),
]
