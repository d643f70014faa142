"""Prompts as lines."""

from __future__ import annotations

from msgspec.structs import replace

from ftl2_enterprise.protocol.loops.approvals import ApprovalState
from ftl2_enterprise.protocol.loops.nouns import PromptState
from ftl2_enterprise.protocol.loops.replies import PromptDetail
from ftl2_enterprise.render.loops.approvals import approval_lines, short_action_lines
from ftl2_enterprise.render.loops.prompts import detail_lines, prompts_table
from tests.snapshots.loops.scenarios.approvals import APPROVAL, TO_APPROVE
from tests.snapshots.scenario import NOW, FixedReader

CHANGED = "the observations changed since it was asked"


def ended(state, *, reason: str | None = CHANGED):
    """The request after it has ended, with the consent that it had."""
    request = replace(APPROVAL.request, state=state, reason=reason)
    prompt = replace(TO_APPROVE.prompt, state=PromptState.ANSWERED, answer="approve", answered_by="ada")
    return replace(TO_APPROVE, prompt=prompt, approval=replace(APPROVAL, request=request, missing=None))


def texts(lines):
    return [one.plain.strip() for one in lines]


def test_a_list_states_that_an_approval_is_void_and_why():
    for state in (ApprovalState.VOID, ApprovalState.EXPIRED):
        row = texts(prompts_table(FixedReader({}, None), [ended(state)], settled=True))[1]
        assert f" {state} " in row
        assert row.endswith(f"{CHANGED}; it was approved by ada (change 4711)")


def test_a_list_shows_an_approval_that_counts_as_it_is():
    row = texts(prompts_table(FixedReader({}, None), [ended(ApprovalState.USED, reason=None)], settled=True))[1]
    assert " used " in row
    assert row.endswith(" approved by ada (change 4711)")


def test_the_detail_of_a_void_approval_does_not_end_with_the_consent():
    void = ended(ApprovalState.VOID)
    detail = PromptDetail(prompt=void.prompt, loop="web", desired_state="a", observations=[], approval=void.approval)
    shown = texts(detail_lines(detail, NOW))
    assert shown[-1].endswith(f"void: {CHANGED}; it was approved by ada (change 4711)")
    assert not any("answered:" in one for one in shown)


def test_a_dismissed_approval_is_not_shown_as_expired():
    dismissed = ended(ApprovalState.EXPIRED, reason="it was dismissed")
    one = replace(dismissed, prompt=replace(dismissed.prompt, state=PromptState.DISMISSED, answer=None))
    row = texts(prompts_table(FixedReader({}, None), [one], settled=True))[1]
    assert " dismissed " in row
    assert " expired " not in row


def test_people_whom_two_rules_require_are_listed_once():
    twice = replace(APPROVAL.request, needs=[*APPROVAL.request.needs, replace(APPROVAL.request.needs[0], expires=60)])
    shown = texts(short_action_lines(replace(APPROVAL, request=twice)))
    assert sum(one.startswith("needs: ") for one in shown) == 1


def test_people_who_are_asked_again_are_shown_why():
    assert f"asked again: {CHANGED}" in texts(short_action_lines(replace(APPROVAL, again=CHANGED)))
    assert not any("asked again" in one for one in texts(short_action_lines(APPROVAL)))


def test_a_command_is_shown_in_full_to_people_who_decide_about_it():
    hidden = "true\n# " + "a" * 900 + "\nrm -r /srv"
    actions = [replace(APPROVAL.request.actions[0], module="shell", params={"cmd": hidden}, diff=None)]
    approval = replace(APPROVAL, request=replace(APPROVAL.request, actions=actions))
    shown = texts(approval_lines(approval))
    assert "cmd, in full:" in shown
    assert [one for one in shown if one.startswith("| ")] == ["| true", "| # " + "a" * 900, "| rm -r /srv"]
    assert any("shortened" in one for one in texts(short_action_lines(approval)))
