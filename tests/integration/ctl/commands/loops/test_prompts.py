"""The prompts of loops."""

from __future__ import annotations

import json

from ftl2_enterprise.protocol.loops.replies import (
    PromptLine,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListPrompts,
)
from tests.support.data import builders


def test_prompts_are_the_oldest_first_for_programs_too(service, ctl):
    found = [builders.prompt(27), builders.prompt(26, asked_at=builders.ago(600))]
    service.on(ListPrompts, [PromptLine(prompt=prompt, loop="web") for prompt in found])
    for words in (("prompts",), ("prompts", "--all")):
        assert [one["prompt"]["id"] for one in json.loads(ctl(*words, "--json")[1])] == [26, 27]


def test_the_prompts_of_one_loop_offer_the_oldest_of_them(service, ctl):
    found = [builders.prompt(27), builders.prompt(26, asked_at=builders.ago(600))]
    service.on(ListPrompts, [PromptLine(prompt=prompt, loop="web") for prompt in found])
    assert ctl("prompts", "web")[1].splitlines()[-1] == "answer the oldest: ftl2ctl answer 26"


def test_open_prompts_with_their_options(service, ctl):
    service.on(
        ListPrompts,
        [PromptLine(prompt=builders.prompt(4), loop="db"), PromptLine(prompt=builders.prompt(3), loop="web")],
    )
    assert "yes | no" in ctl("prompts")[1]


def test_no_prompts(service, ctl):
    service.on(ListPrompts, [])
    assert ctl("prompts")[1] == "no open prompts\n"
    assert ctl("prompts", "--all")[1] == "no prompts\n"
