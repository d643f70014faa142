"""Actions that people rejected or did not approve are distinct from those that policy denies, also in JSON."""

from __future__ import annotations

import pytest

from ftl2_enterprise.protocol.loops.approvals import NO_PERSON, NOT_IN_TIME, REJECTED_BY, REQUEST_DISMISSED
from ftl2_enterprise.protocol.loops.nouns import ActionState
from ftl2_enterprise.render import json_output
from tests.support.data.builders import action


@pytest.mark.parametrize(
    ("reason", "denial"),
    [
        ("denied by policy rule 1 (p.yaml line 2): no", "policy"),
        (f"{REJECTED_BY}ada: not today", "rejected"),
        (f"{NOT_IN_TIME}60 s; it needs the approval of 1 person", "expired"),
        (f"{REQUEST_DISMISSED}; it needs the approval of 1 person", "dismissed"),
        (f"{NO_PERSON}, which is not interactive", "unattended"),
    ],
)
def test_the_document_of_a_denied_action_states_who_denied_it(reason, denial):
    found = json_output.document(action(state=ActionState.DENIED, error=reason))
    assert (found["state"], found["denial"]) == ("denied", denial)


def test_an_action_that_failed_with_such_a_text_was_not_denied():
    found = json_output.document(action(state=ActionState.FAILED, error=f"{REJECTED_BY}the server"))
    assert found["denial"] is None
