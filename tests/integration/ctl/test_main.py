"""What holds for every command line: errors and their exit status, help, and lines of standard input."""

from __future__ import annotations

import json

import pytest

from ftl2_enterprise.core.problem import Code, Problem, conflict, not_found
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState
from ftl2_enterprise.protocol.loops.verbs import PauseLoop, ResumeLoop, ShowLoop
from tests.support import builders


def test_a_refusal_names_the_command_that_was_typed(service, ctl):
    def refuse(request):
        raise Problem(Code.DENIED, "cannot do loop.pause: it needs access to operate, and mallory has none")

    service.on(PauseLoop, refuse)
    assert ctl("pause", "web")[2] == "error: cannot do pause: it needs access to operate, and mallory has none\n"


@pytest.mark.parametrize("word", ["exit", "clear", "quit"])
def test_what_only_the_shell_has(ctl, word):
    assert ctl(word) == (
        2, "", f"error: cannot run '{word}' here: it is for the shell only\nhint: `ftl2ctl` alone begins the shell\n"
    )  # fmt: skip


def test_hints_name_this_program(service, ctl):
    def refuse(_request: ShowLoop) -> None:
        raise not_found("cannot find the loop 9", "see `ftl2-enterprise status --all`")

    service.on(ShowLoop, refuse)
    assert ctl("show", "9")[2].endswith("hint: see `ftl2ctl status --all`\n")


def test_a_problem_of_the_service_is_told_with_its_status(service, ctl):
    def refuse(_request: ShowLoop) -> None:
        raise not_found("cannot find a loop 'wbe'", "did you mean web?")

    service.on(ShowLoop, refuse)
    assert ctl("show", "wbe") == (2, "", "error: cannot find a loop 'wbe'\nhint: did you mean web?\n")


def test_no_service(tmp_path, ctl):
    status, out, err = ctl("status", "--json", "--socket", str(tmp_path / "none"))
    assert status == 69
    assert json.loads(out)["error"]["code"] == "unavailable"
    assert "there is no such socket" in err


def test_help_needs_no_service(ctl, monkeypatch, tmp_path):
    monkeypatch.setenv("FTL2CTL_SOCKET", str(tmp_path / "none"))
    assert ctl("help")[0] == 0
    assert "usage: ftl2ctl answer" in ctl("help", "answer")[1]
    assert ctl("answer", "--help")[1] == ctl("help", "answer")[1]
    assert "usage: ftl2ctl rules disable" in ctl("help", "rules")[1]
    every = json.loads(ctl("help", "--json")[1])["commands"]
    assert {"answer", "rules disable", "help"} <= {one["name"] for one in every}
    assert "exit" not in {one["name"] for one in every}
    (one,) = json.loads(ctl("help", "answer", "--json")[1])["commands"]
    assert one["usage"].startswith("answer [PROMPT]")
    assert one["summary"].startswith("Answer a prompt")
    assert [argument["name"] for argument in one["arguments"]] == ["prompt", "answer"]
    assert [flag["option"] for flag in one["flags"]] == ["--wait", "--json", "--socket", "--timeout", "--help"]
    assert one["flags"][0] | {"help": ""} == {
        "option": "--wait", "short": "-w", "value": None, "choices": [], "many": False, "default": None, "help": "",
    }  # fmt: skip
    family = [one["name"] for one in json.loads(ctl("help", "rules", "--json")[1])["commands"]]
    assert {"rules list", "rules disable"} <= set(family)
    assert ctl("help", "nonsense")[0] == 2
    assert ctl("completion", "bash")[1].startswith("# bash completion")


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
