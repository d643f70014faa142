"""Submitting desired states."""

from __future__ import annotations

import io

import pytest

from ftl2_enterprise.protocol.loops.facts import IterationStarted, LoopFailed
from ftl2_enterprise.protocol.loops.nouns import (
    LoopState,
    Mode,
    Outcome,
)
from ftl2_enterprise.protocol.loops.replies import (
    LoopDetail,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ShowLoop,
    SubmitLoop,
)
from ftl2_enterprise.protocol.service.verbs import (
    EventPage,
    GetSettings,
    ListEvents,
    WatchEvents,
)
from tests.integration.ctl.samples import SETTINGS
from tests.support.data import builders
from tests.support.scripted.scripted_service import Stream


def test_a_manifest_comes_from_standard_input(service, ctl, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("version: 1\n# ü\n".encode()), encoding="ascii"))
    service.on(GetSettings, [])
    service.on(SubmitLoop, builders.loop())
    assert ctl("submit", "-f", "-")[0] == 0
    spec = service.asked_for(SubmitLoop)[0].spec
    # Files that it names are found from here.
    assert (spec.desired_state, spec.source) == ("version: 1\n# ü\n", str(tmp_path / "-"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"", "error: cannot take an empty desired state\nhint: describe the desired state\n"),
        (b"\xff\n", "error: cannot read standard input: it is not UTF-8 text\n"),
        (None, "error: cannot read standard input: it is closed\nhint: give a file with -f FILE\n"),
    ],
)
def test_a_standard_input_that_holds_no_manifest_is_refused(service, ctl, monkeypatch, given, message):
    monkeypatch.setattr("sys.stdin", None if given is None else io.TextIOWrapper(io.BytesIO(given)))
    assert ctl("submit", "-f", "-") == (2, "", message)
    assert not service.asked_for(SubmitLoop)


def test_an_empty_name_is_refused(service, ctl):
    status, _, err = ctl("submit", "nginx runs", "--name", "")
    assert (status, err) == (2, "error: cannot take an empty --name\nhint: without it, a name is derived\n")
    assert not service.asked_for(SubmitLoop)


def test_a_file_is_read_here_and_paths_become_absolute(service, ctl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.yaml").write_text("version: 1\n")
    service.on(GetSettings, SETTINGS)
    service.on(SubmitLoop, builders.loop("site", state=LoopState.PENDING))
    status, out, _ = ctl(
        "submit", "-f", "site.yaml", "-i", "hosts", "--policy", "/p", "--mode", "continuous", "-s", "a.b=C"
    )
    assert (status, out) == (0, "site: starting\n  follow: ftl2ctl watch site\n")
    spec = service.asked_for(SubmitLoop)[0].spec
    assert spec.desired_state == "version: 1\n"
    assert spec.source == str(tmp_path / "site.yaml")
    assert (spec.inventory, spec.policy) == (str(tmp_path / "hosts"), "/p")
    assert (spec.mode, spec.secrets, spec.name) == (Mode.CONTINUOUS, ["a.b=C"], "")
    assert (spec.interval, spec.max_iterations, spec.action_timeout) == (45.0, 7, 300.0)


def test_options_win_over_the_settings(service, ctl):
    service.on(GetSettings, SETTINGS)
    service.on(SubmitLoop, builders.loop("site", state=LoopState.PENDING))
    ctl(
        "submit",
        "nginx",
        "runs",
        "-n",
        "web",
        "--mode",
        "continuous",
        "--interval",
        "5",
        "--paused",
        "--priority",
        "9",
        "--dry-run",
    )
    request = service.asked_for(SubmitLoop)[0]
    assert (request.spec.desired_state, request.spec.name, request.spec.interval) == ("nginx runs", "web", 5.0)
    assert (request.paused, request.priority, request.spec.dry_run) == (True, 9, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["submit"], "cannot take a desired state: none was given"),
        (["submit", "x", "-f", "y"], "cannot take a desired state: two were given"),
        (["submit", "-f", "/nowhere/site.yaml"], "cannot read /nowhere/site.yaml: there is no such file"),
        (["submit", " "], "cannot take an empty desired state"),
        (["submit", "x", "--interval", "5"], "cannot use --interval: the loop runs once"),
    ],
)
def test_invalid_submissions_are_refused(service, ctl, words, message):
    status, _, err = ctl(*words)
    assert status == 2
    assert message in err
    assert not service.asked


def test_waiting_ends_with_the_status_of_the_loop(service, ctl):
    service.on(GetSettings, SETTINGS)
    events = Stream([builders.event(101, IterationStarted, n=1, in_run=1, of=10), builders.event(102, LoopFailed)])
    service.on(ListEvents, EventPage(events=[], cursor=100))
    service.on(WatchEvents, events)
    service.on(SubmitLoop, builders.loop("web", state=LoopState.PENDING))
    ended = builders.loop("web", state=LoopState.FAILED, outcome=Outcome.NOT_CONVERGED, reason="1 was not enough")
    service.on(ShowLoop, LoopDetail(loop=ended, process=None, open_prompts=[], last=None))
    status, out, _ = ctl("submit", "x", "--wait")
    assert status == 1
    assert out.splitlines() == [
        "web: starting",
        "iteration 1 (1 of 10)",
        "not converged: loop web: 1 was not enough",
    ]
    assert service.asked_for(WatchEvents)[0].after == 100


def test_a_paused_loop_is_not_waited_for(service, ctl):
    status, _, err = ctl("submit", "nginx runs", "--paused", "--wait")
    assert status == 2
    assert "cannot wait for a loop that is created paused" in err
    assert "leave out --wait" in err
    assert "start LOOP --wait` later" in err
    assert not service.asked


def test_a_delay_that_no_question_can_reach_is_refused(service, ctl):
    service.on(GetSettings, [])
    status, _, err = ctl("submit", "x", "--max-iterations", "1", "--max-ask-delay", "1")
    assert status == 2
    assert "cannot use --max-ask-delay: the loop has one iteration" in err
    assert not service.asked_for(SubmitLoop)
