"""Starting a loop."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.nouns import (
    LoopState,
)
from ftl2_enterprise.protocol.loops.verbs import (
    StartLoop,
)
from tests.integration.ctl.samples import check_reply
from tests.support.data import builders


def test_the_loop_starts(service, ctl):
    check_reply(service, ctl, "start", StartLoop, builders.loop(state=LoopState.PENDING), "web: starting")
