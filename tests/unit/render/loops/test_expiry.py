"""When a question, an approval or a freeze ends is shown wherever people decide, as a time and as a duration."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ftl2_enterprise.core.clock import after, moment
from ftl2_enterprise.protocol.loops.nouns import PromptState
from ftl2_enterprise.protocol.loops.replies import PromptDetail, PromptLine
from ftl2_enterprise.render.loops.prompts import detail_lines, open_prompt_lines, prompts_table
from tests.snapshots.loops.scenarios.approvals import TO_APPROVE
from tests.snapshots.scenario import NOW, FixedReader
from tests.support.data.builders import prompt

END = after(NOW, 3600)
QUESTION = PromptLine(prompt=prompt(deadline_at=END), loop="web")
APPROVAL = replace(TO_APPROVE, prompt=replace(TO_APPROVE.prompt, deadline_at=END))
AT = f"{moment(END)} (in 60 min)"


def text(lines):
    return "\n".join("".join(span.text for span in one.spans) for one in lines)


@pytest.mark.parametrize("one", [QUESTION, APPROVAL])
def test_every_view_of_an_open_prompt_has_its_deadline(one):
    reader = FixedReader({}, None)
    detail = PromptDetail(prompt=one.prompt, loop="web", desired_state="a", observations=[], approval=one.approval)
    assert f"expires: {AT}" in text(detail_lines(detail, NOW))
    assert f"expires: {AT}" in text(prompts_table(reader, [one], settled=False))
    assert f"expires {AT}" in text(open_prompt_lines(reader, [one]))


def test_a_prompt_that_is_settled_has_none():
    settled = replace(QUESTION.prompt, state=PromptState.ANSWERED, answer="yes")
    detail = PromptDetail(prompt=settled, loop="web", desired_state="a", observations=[])
    assert "expires" not in text(detail_lines(detail, NOW))
