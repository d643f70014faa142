"""Lines that are typed in the shell: completion, history, keys, errors."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.problem import not_found
from ftl2_enterprise.ctl.repl.line_history import NAME
from ftl2_enterprise.protocol.loops.nouns import (
    PromptState,
)
from ftl2_enterprise.protocol.loops.verbs import (
    AnswerPrompt,
    PauseLoop,
    ShowLoop,
)
from tests.support.data import builders
from tests.support.scripted.shell_service import works
from tests.support.terminal.screen import INVITE, Screen, ctl, invited, shell
from tests.support.waiting import until


def test_a_command_is_run_and_the_farewell_names_the_command_to_return(service, tmp_path):
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE, "help lists the commands", "2 running")
        screen.enter("pause web")
        screen.see("■ web: paused")
        invited(screen, 2)
        screen.type("\x04")
        status = screen.end()
    assert status == 0
    assert f"the service continues; return with ftl2ctl --socket {service.path}" in screen.text.replace("\n", "")


def test_tab_completes_commands_and_loops(screen, service):
    screen.type("pau\t")
    screen.see(f"{INVITE} pause")
    screen.type(" dat\t")
    screen.see(f"{INVITE} pause database")
    screen.enter()
    screen.see("web: paused")
    assert service.asked_for(PauseLoop)[0].loop == "database"


def test_tab_lists_the_loops(screen):
    screen.type("pause \t")
    screen.see("web", "database")


def test_an_earlier_line_is_suggested_and_accepted(screen):
    screen.enter("pause web")
    invited(screen, 2)
    screen.type("pa")
    screen.wait(lambda text: text.count(f"{INVITE} pause web") == 2, what="see the suggestion")
    screen.type("\x1b[C")
    screen.enter()
    screen.wait(lambda text: text.count("web: paused") == 2)


def test_the_history_keeps_lines_without_answers(service, tmp_path):
    service.on(AnswerPrompt, builders.prompt(state=PromptState.ANSWERED, answer="hunter2", answered_by="ada"))
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE)
        works(screen)
        screen.enter("answer 3 hunter2")
        screen.see("answered: hunter2")
        invited(screen, 3)
        screen.type("\x04")
        screen.end()
    kept = tmp_path / "state" / "ftl2-enterprise" / NAME
    assert kept.read_text() == "pause web\nanswer 3\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE)
        screen.type("\x1b[A\x1b[A")
        screen.see(f"{INVITE} pause web")


def test_ctrl_c_clears_the_line_and_exit_leaves(screen, service):
    screen.type("pause we\x03")
    screen.wait(lambda text: text.count(INVITE) == 2)
    works(screen)
    screen.enter("exit")
    assert screen.end() == 0
    assert [request.loop for request in service.asked_for(PauseLoop)] == ["web"]


def test_ctrl_z_suspends_the_shell(service, tmp_path):
    command = " ".join(["env", "PS1=", *ctl("--socket", str(service.path))])
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "PS1": "bash> "}
    with Screen(["bash", "--norc", "--noprofile", "-i"], environment=environment) as screen:
        screen.see("bash>")
        screen.enter(command)
        screen.see("2 running")
        screen.type("\x1a")
        screen.see("Stopped", "bash>")
        screen.enter("fg")
        screen.see("2 running")
        works(screen)
        screen.enter("exit")
        screen.see("return with")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("pauze web", "did you mean `pause`?"),
        ("pause", "name one loop or several, or give --all"),
        ("pause 'web", "a quotation mark is not closed"),
        ("show wbe", "did you mean web?"),
    ],
)
def test_an_error_never_ends_the_shell(screen, service, typed, message):
    def missing(_request: ShowLoop) -> None:
        raise not_found("cannot find a loop 'wbe'", "did you mean web?")

    service.on(ShowLoop, missing)
    screen.enter(typed)
    screen.see("error: cannot", message)
    works(screen)


def test_a_defect_never_ends_the_shell(screen, service):
    # An invalid reply.
    service.on(PauseLoop, {"nonsense": True})
    screen.enter("pause web")
    screen.see("error: cannot")
    screen.enter("help pause")
    screen.see("usage: pause [LOOP...]")
    assert "Traceback" not in screen.raw


def test_pasted_lines_run_in_order(screen, service):
    screen.type("\x1b[200~pause web\npause database\x1b[201~")
    screen.enter()
    until(lambda: len(service.asked_for(PauseLoop)) == 2)
