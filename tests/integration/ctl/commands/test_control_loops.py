"""Commands that control loops (pause, resume, stop, cancel, delete, ...): one loop, several, or all."""

from __future__ import annotations

import json

import pytest

from ftl2_enterprise.core.problem import Code, Problem, conflict, not_found
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState, Outcome
from ftl2_enterprise.protocol.loops.replies import Deleted, LoopPage
from ftl2_enterprise.protocol.loops.verbs import (
    CancelLoop,
    DeleteLoop,
    ListLoops,
    PauseLoop,
    ResumeLoop,
    RetryLoop,
    RunLoopNow,
    StartLoop,
    StopLoop,
)
from tests.support import builders


@pytest.mark.parametrize(
    ("word", "verb", "loop", "told"),
    [
        ("start", StartLoop, builders.loop(state=LoopState.PENDING), "web: starting"),
        (
            "pause",
            PauseLoop,
            builders.loop(desired=Desired.PAUSE),
            "web: pausing (it finishes the step in hand first)",
        ),
        ("pause", PauseLoop, builders.loop(desired=Desired.PAUSE, state=LoopState.PAUSED), "web: paused"),
        ("resume", ResumeLoop, builders.loop(), "web: running"),
        ("stop", StopLoop, builders.loop(desired=Desired.STOP), "web: stopping"),
        (
            "cancel",
            CancelLoop,
            builders.loop(desired=Desired.CANCEL),
            "web: cancelling (it finishes the step in hand first)",
        ),
        ("cancel", CancelLoop, builders.loop(state=LoopState.CANCELLED, outcome=Outcome.CANCELLED), "web: cancelled"),
        ("retry", RetryLoop, builders.loop(), "web: running"),
        (
            "run-now",
            RunLoopNow,
            builders.loop(state=LoopState.RESTING, next_run_at=builders.ago(1)),
            "web: resting (next look now)",
        ),
    ],
)
def test_steering(service, ctl, word, verb, loop, told):
    service.on(verb, loop)
    assert ctl(word, "web") == (0, f"{told}\n", "")
    assert service.asked_for(verb)[0].loop == "web"
    status, out, _ = ctl(word, "web", "--json")
    assert (status, json.loads(out)["name"]) == (0, "web")


STANDING = [
    builders.loop_line("rests", id=6, state=LoopState.RESTING),
    builders.loop_line("paused", id=5, state=LoopState.PAUSED, desired=Desired.PAUSE),
    builders.loop_line("left", id=4, managed=False, pid=None),
    builders.loop_line("failed", id=3, state=LoopState.FAILED),
    builders.loop_line("cancelling", id=2, desired=Desired.CANCEL),
    builders.loop_line("runs", id=1),
]


@pytest.mark.parametrize(
    ("command", "verb", "ids"),
    [("pause", PauseLoop, ["1", "6"]), ("stop", StopLoop, ["1", "2", "6"]), ("resume", ResumeLoop, ["5"])],
)
def test_all_loops_that_a_command_is_about(service, ctl, command, verb, ids):
    service.on(ListLoops, LoopPage(loops=STANDING))
    service.on(verb, lambda request: builders.loop(f"loop-{request.loop}"))
    status, out, err = ctl(command, "--all")
    assert (status, err) == (0, "")
    assert [one.loop for one in service.asked_for(verb)] == ids
    assert [text.partition(":")[0] for text in out.splitlines()] == [f"loop-{number}" for number in ids]


def test_several_loops_are_all_tried(service, ctl):
    def pause(request: PauseLoop):
        if request.loop == "db":
            raise conflict("cannot pause db: it is completed", "nothing of it runs")
        if request.loop == "wbe":
            raise not_found("cannot find a loop 'wbe'")
        return builders.loop(request.loop, state=LoopState.PAUSED, desired=Desired.PAUSE)

    service.on(PauseLoop, pause)
    status, out, err = ctl("pause", "web", "db", "wbe", "web", "mail")
    assert (status, out) == (75, "web: paused\nmail: paused\n")
    assert err == (
        "error: cannot pause db: it is completed\nhint: nothing of it runs\nerror: cannot find a loop 'wbe'\n"
    )
    status, out, _ = ctl("pause", "web", "db", "mail", "--json")
    told = [json.loads(text) for text in out.splitlines()]
    assert status == 75
    assert [one.get("name") for one in told] == ["web", None, "mail"]
    assert told[1] == {
        "loop": "db",
        "error": {"code": "conflict", "message": "cannot pause db: it is completed", "hint": "nothing of it runs"},
        "exit_status": 75,
    }


def test_who_may_not_is_told_so_once(service, ctl):
    def refuse(_request: PauseLoop):
        raise Problem(Code.DENIED, "cannot do loop.pause: it needs access operate")

    service.on(PauseLoop, refuse)
    status, _, err = ctl("pause", "web", "db")
    assert (status, err) == (4, "error: cannot do pause: it needs access operate\n")


def test_a_service_that_was_away_is_asked_for_the_next_loop(service, ctl):
    def pause(request: PauseLoop):
        if request.loop == "web":
            raise Problem(Code.UNAVAILABLE, "cannot write: the disk is full")
        return builders.loop(request.loop, state=LoopState.PAUSED, desired=Desired.PAUSE)

    service.on(PauseLoop, pause)
    assert ctl("pause", "web", "db") == (69, "db: paused\n", "error: cannot write: the disk is full\n")


def test_no_loop_is_no_failure(service, ctl):
    service.on(ListLoops, LoopPage(loops=[]))
    assert ctl("stop", "--all") == (0, "no loop to stop\n", "")
    assert ctl("stop", "--all", "--json") == (0, "", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pause"], "cannot run `pause` without LOOP"),
        (["pause", "--all", "web"], "cannot pause --all and 'web'"),
        (["resume", "--all", "--wait"], "cannot wait for several loops"),
        (["pause", "web", " "], "cannot take an empty LOOP"),
    ],
)
def test_which_loops_are_meant_has_to_be_clear(service, ctl, words, said):
    status, out, err = ctl(*words)
    assert (status, out) == (2, "")
    assert said in err


def test_delete_wants_to_be_sure(service, ctl):
    service.on(DeleteLoop, Deleted(id=1, name="web"))
    status, _, err = ctl("delete", "web", stdin="y\n")
    assert status == 2
    assert "nobody can be asked here" in err
    assert not service.asked_for(DeleteLoop)
    assert ctl("delete", "web", "--yes") == (0, "web: deleted, with its history\n", "")
