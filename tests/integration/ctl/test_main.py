"""Scripts on standard input, and a service that does not exist."""

from __future__ import annotations

import json

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.protocol.loops.nouns import (
    Desired,
    LoopState,
)
from ftl2_enterprise.protocol.loops.verbs import (
    PauseLoop,
    ResumeLoop,
)
from tests.support.data import builders


def test_without_a_service_commands_fail(tmp_path, ctl):
    status, out, err = ctl("status", "--json", "--socket", str(tmp_path / "none"))
    assert status == 69
    assert json.loads(out)["error"]["code"] == "unavailable"
    assert "there is no such socket" in err


def test_each_line_of_standard_input_is_a_command(service, ctl):
    service.on(PauseLoop, builders.loop(desired=Desired.PAUSE, state=LoopState.PAUSED))
    service.on(ResumeLoop, builders.loop())
    status, out, err = ctl(stdin="# two\npause web\n\nftl2ctl resume web\n")
    assert (status, out, err) == (0, "web: paused\nweb: running\n", "")


def test_the_first_line_that_fails_ends_it_with_its_status(service, ctl):
    def refuse(_request: PauseLoop) -> None:
        raise conflict("cannot pause web: it has ended")

    service.on(PauseLoop, refuse)
    status, out, err = ctl(stdin="pause web\nresume web\n")
    assert (status, out, err) == (75, "", "error: cannot pause web: it has ended\nended at line 1: pause web\n")
    assert not service.asked_for(ResumeLoop)
    status, _, err = ctl(stdin="# one\npause 'web\n")
    assert (status, err.splitlines()[-1]) == (2, "ended at line 2: pause 'web")
    assert ctl(stdin="exit\nnonsense\n")[0] == 0
