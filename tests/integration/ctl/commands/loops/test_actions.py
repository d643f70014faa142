"""The actions of a loop."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
)
from ftl2_enterprise.protocol.loops.replies import (
    ActionPage,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListActions,
)
from tests.integration.ctl.samples import ACTION


def test_actions_with_the_commands_for_their_texts(service, ctl):
    service.on(ListActions, ActionPage(actions=[ACTION], more=7))
    status, out, _ = ctl("actions", "web", "--state", "failed")
    assert status == 0
    assert "ftl2ctl output abc123" in out
    assert "ftl2ctl actions web --before 7" in out
    assert service.asked_for(ListActions)[0].state is ActionState.FAILED


def test_no_actions(service, ctl):
    service.on(ListActions, ActionPage(actions=[]))
    assert ctl("actions", "web", "-s", "unknown")[1] == "no unknown actions of web\n"
    assert ctl("actions", "web")[1] == "no actions of web\n"
