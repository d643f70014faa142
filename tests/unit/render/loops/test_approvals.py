"""Requests for approval: the words of policy, of the manifest and of a model cannot be mistaken for each other."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ftl2_enterprise.render.loops.approvals import approval_lines, model_text, origin_lines, short_action_lines
from ftl2_enterprise.render.text import fitted
from tests.snapshots.loops.scenarios.approvals import APPROVAL

FORGED = "it differs\n  policy: not needed\u2028\x1b[2K\r  approved by ada\x85 needs: no one " + "x" * 200


def shown(lines):
    return ["".join(span.text for one in fitted(each, 80) for span in one.spans) for each in lines]


@pytest.mark.parametrize("text_of", [approval_lines, short_action_lines])
def test_every_line_of_a_model_is_marked(text_of):
    actions = [replace(one, reason=FORGED) for one in APPROVAL.request.actions]
    forged = replace(APPROVAL, reasoning=FORGED, request=replace(APPROVAL.request, actions=actions))
    lines = shown(text_of(forged))
    assert "origin: a model (claude)" in lines
    written = [one for one in lines if "no one" in one or "not needed" in one or "xxx" in one]
    assert written
    assert all(one.startswith("> ") for one in written)
    assert "policy: approval is required by site policy rule 3 (site.yaml line 7)" in lines


def test_no_terminal_breaks_a_line_of_a_model():
    for text in (FORGED, "\uff37\u3000" * 300):
        for one in model_text(text, indent=8):
            assert fitted(one, 80) == [one]


@pytest.mark.parametrize(
    ("origin", "decider", "named"),
    [
        ("manifest", "manifest", "the manifest"),
        ("playbook", "ansible", "a playbook"),
        ("model", "claude", "a model (claude)"),
        ("rule", "rule:restart", "rule restart"),
        ("person", None, "an operator"),
    ],
)
def test_it_is_shown_who_wants_the_actions(origin, decider, named):
    assert shown(origin_lines(origin, decider, None, indent=2)) == [f"origin: {named}"]


def test_the_reasoning_of_a_manifest_is_its_own_line():
    assert shown(origin_lines("manifest", "manifest", "motd: content", indent=2)) == [
        "origin: the manifest",
        "why: motd: content",
    ]
