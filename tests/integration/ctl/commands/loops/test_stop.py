"""Stopping the processes of loops."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.nouns import (
    Desired,
)
from ftl2_enterprise.protocol.loops.replies import (
    LoopPage,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListLoops,
    StopLoop,
)
from tests.integration.ctl.samples import check_all, check_reply
from tests.support.data import builders


def test_no_loop_is_no_failure(service, ctl):
    service.on(ListLoops, LoopPage(loops=[]))
    assert ctl("stop", "--all") == (0, "no loop to stop\n", "")
    assert ctl("stop", "--all", "--json") == (0, "", "")


def test_the_process_ends_now(service, ctl):
    check_reply(service, ctl, "stop", StopLoop, builders.loop(desired=Desired.STOP), "web: stopping")


def test_all_loops_with_something_to_stop(service, ctl):
    check_all(service, ctl, "stop", StopLoop, ["1", "2", "6"])
