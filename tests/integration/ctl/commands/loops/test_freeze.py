"""Freezing from the client."""

from __future__ import annotations

import json

import pytest

from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.protocol.loops.hosts import TargetMatch
from ftl2_enterprise.protocol.loops.verbs import FindTarget
from ftl2_enterprise.protocol.service.verbs import FreezeEffects, FreezeRecord


def made(request: FreezeEffects) -> FreezeRecord:
    return FreezeRecord(
        freeze=Freeze(
            id="5f3a0c11", scope=request.scope, of=request.of, reason=request.reason, by="ann (uid 1000, pid 7)",
            since=1_767_225_600_000_000, until=request.until, now=request.now,
        )
    )  # fmt: skip


def test_each_selection_is_one_request(service, ctl):
    asked: list[FreezeEffects] = []

    def freeze(request: FreezeEffects) -> FreezeRecord:
        asked.append(request)
        return made(request)

    service.on(FreezeEffects, freeze)
    for words in (["--all"], ["--loop", "web"], ["--host", "web1"], ["--group", "www"], ["--models", "--now"]):
        status, _, err = ctl("freeze", *words, "--reason", " incident \n 4711 ")
        assert (status, err) == (0, "")
    assert [(one.scope, one.of, one.now) for one in asked] == [
        (FreezeScope.ALL, "", False),
        (FreezeScope.SUBJECT, "loop:web", False),
        (FreezeScope.TARGET, "web1", False),
        (FreezeScope.TARGET, "www", False),
        (FreezeScope.KIND, "model_call", True),
    ]
    assert {one.reason for one in asked} == {"incident 4711"}


def test_it_shows_what_is_frozen(service, ctl):
    service.on(FreezeEffects, made)
    assert ctl("freeze", "--all", "--reason", "incident")[1] == (
        "frozen: everything by ann since 2026-01-01 00:00:00Z: incident (5f3a0c11)\n"
    )
    assert json.loads(ctl("freeze", "--all", "--reason", "incident", "--json")[1])["freeze"]["scope"] == "all"


def test_a_name_that_no_loop_has_is_frozen_with_a_warning(service, ctl):
    service.on(FreezeEffects, made)
    service.on(FindTarget, TargetMatch(known=False, close=["web1", "web2"]))
    status, out, _ = ctl("freeze", "--host", "wbe1", "--reason", "incident")
    assert status == 0
    assert out.splitlines()[-1] == (
        "no current loop has a host, a group or an address wbe1 (web1, web2 are similar); "
        "the freeze holds calls on it when one has"
    )
    for known in (True, None):
        service.on(FindTarget, TargetMatch(known=known))
        assert "no current loop" not in ctl("freeze", "--host", "web1", "--reason", "incident")[1]


def test_an_end_is_a_duration_or_a_time(service, ctl):
    ends: list[int | None] = []
    service.on(FreezeEffects, lambda request: (ends.append(request.until), made(request))[1])
    before = SystemClock().now()
    for word in ("+2h", "2100-01-31T18:00+00:00"):
        assert ctl("freeze", "--all", "--reason", "x", "--until", word)[0] == 0
    after_two_hours, at_time = ends
    assert after_two_hours is not None
    assert 0 <= after_two_hours - before - 7200 * 1_000_000 < 60_000_000
    assert at_time == 4_105_101_600_000_000


def test_what_is_not_clear_is_refused(service, ctl):
    for words, message in (
        (["--all"], "cannot freeze without a reason"),
        (["--reason", "x"], "cannot freeze without a selection"),
        (["--all", "--host", "a", "--reason", "x"], "cannot freeze --all and --host"),
        (["--all", "--reason", "x", "--until", "tomorrow"], "cannot take 'tomorrow' for --until"),
        (["--all", "--reason", " "], "cannot take an empty --reason"),
    ):
        status, out, err = ctl("freeze", *words)
        assert (status, out) == (2, "")
        assert message in err


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["freeze", "--all", "--reason", "x"], "freeze"),
        (["thaw", "--all"], "thaw"),
        (["freezes"], "freezes"),
    ],
)
def test_without_a_service_the_command_that_works_offline_is_named(ctl, tmp_path, words, command):
    status, _, err = ctl(*words, "--socket", str(tmp_path / "none"))
    assert status != 0
    assert "cannot reach the service" in err
    assert f"`ftl2-enterprise {command}` does the same without the service" in err
    assert "systemctl start ftl2-enterprise" in err


def test_other_commands_do_not_name_one(ctl, tmp_path):
    assert "without the service" not in ctl("pause", "web", "--socket", str(tmp_path / "none"))[2]
