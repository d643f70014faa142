"""Running a failed or blocked loop again."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.verbs import (
    RetryLoop,
)
from tests.integration.ctl.samples import check_reply
from tests.support.data import builders


def test_the_loop_runs_again(service, ctl):
    check_reply(service, ctl, "retry", RetryLoop, builders.loop(), "web: running")
