"""Pausing loops."""

from __future__ import annotations

import json

import pytest

from ftl2_enterprise.core.problem import Code, Problem, conflict, not_found
from ftl2_enterprise.protocol.loops.nouns import (
    Desired,
    LoopState,
)
from ftl2_enterprise.protocol.loops.verbs import (
    PauseLoop,
)
from tests.integration.ctl.samples import check_all, check_reply
from tests.support.data import builders


def test_several_loops_are_all_tried(service, ctl):
    def pause(request: PauseLoop):
        if request.loop == "db":
            raise conflict("cannot pause db: it has ended (converged)", "it has no process")
        if request.loop == "wbe":
            raise not_found("cannot find a loop 'wbe'")
        return builders.loop(request.loop, state=LoopState.PAUSED, desired=Desired.PAUSE)

    service.on(PauseLoop, pause)
    status, out, err = ctl("pause", "web", "db", "wbe", "web", "mail")
    assert (status, out) == (75, "web: paused\nmail: paused\n")
    assert err == (
        "error: cannot pause db: it has ended (converged)\nhint: it has no process\nerror: cannot find a loop 'wbe'\n"
    )
    status, out, _ = ctl("pause", "web", "db", "mail", "--json")
    results = [json.loads(text) for text in out.splitlines()]
    assert status == 75
    assert [one.get("name") for one in results] == ["web", None, "mail"]
    assert results[1] == {
        "loop": "db",
        "error": {
            "code": "conflict",
            "message": "cannot pause db: it has ended (converged)",
            "hint": "it has no process",
        },
        "exit_status": 75,
    }


def test_a_denied_request_is_shown_once(service, ctl):
    def refuse(_request: PauseLoop):
        raise Problem(Code.DENIED, "cannot do loop.pause: it needs access operate")

    service.on(PauseLoop, refuse)
    status, _, err = ctl("pause", "web", "db")
    assert (status, err) == (77, "error: cannot do pause: it needs access operate\n")


def test_a_lost_service_is_asked_again_for_the_next_loop(service, ctl):
    def pause(request: PauseLoop):
        if request.loop == "web":
            raise Problem(Code.UNAVAILABLE, "cannot write: the disk is full")
        return builders.loop(request.loop, state=LoopState.PAUSED, desired=Desired.PAUSE)

    service.on(PauseLoop, pause)
    assert ctl("pause", "web", "db") == (69, "db: paused\n", "error: cannot write: the disk is full\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pause"], "cannot run `pause` without LOOP"),
        (["pause", "--all", "web"], "cannot pause --all and 'web'"),
        (["resume", "--all", "--wait"], "cannot wait for several loops"),
        (["pause", "web", " "], "cannot take an empty LOOP"),
    ],
)
def test_loops_and_all_loops_exclude_each_other(service, ctl, words, message):
    status, out, err = ctl(*words)
    assert (status, out) == (2, "")
    assert message in err


def test_a_refusal_names_the_command_that_was_typed(service, ctl):
    def refuse(request):
        raise Problem(Code.DENIED, "cannot do loop.pause: it needs access to operate, and mallory has none")

    service.on(PauseLoop, refuse)
    assert ctl("pause", "web")[2] == "error: cannot do pause: it needs access to operate, and mallory has none\n"


def test_commands_in_a_hint_have_the_socket_that_was_given(service, ctl):
    def refuse(request):
        raise Problem(Code.CONFLICT, "cannot pause web: it is failed", hint="`ftl2ctl show web` shows why")

    service.on(PauseLoop, refuse)
    for words in (
        ["--socket", str(service.path), "pause", "web"],
        ["pause", "web", "db", "--socket", str(service.path)],
    ):
        assert f"hint: `ftl2ctl --socket {service.path} show web` shows why\n" in ctl(*words)[2]
    assert "hint: `ftl2ctl show web` shows why\n" in ctl("pause", "web")[2]


def test_a_running_loop_finishes_its_step(service, ctl):
    pausing = builders.loop(desired=Desired.PAUSE)
    check_reply(service, ctl, "pause", PauseLoop, pausing, "web: pausing (after its current step)")


def test_a_loop_without_a_step_is_paused_at_once(service, ctl):
    paused = builders.loop(desired=Desired.PAUSE, state=LoopState.PAUSED)
    check_reply(service, ctl, "pause", PauseLoop, paused, "web: paused")


def test_all_loops_that_can_be_paused(service, ctl):
    check_all(service, ctl, "pause", PauseLoop, ["1", "6"])
