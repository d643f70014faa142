"""Prompts are answered in the shell."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.facts import (
    IterationStarted,
    LoopRested,
)
from ftl2_enterprise.protocol.loops.nouns import (
    LoopState,
)
from ftl2_enterprise.protocol.loops.replies import Deleted, LoopDetail, PromptDetail
from ftl2_enterprise.protocol.loops.verbs import (
    AnswerPrompt,
    DeleteLoop,
    ShowLoop,
    ShowPrompt,
)
from tests.support.data import builders
from tests.support.scripted.shell_service import wait_for_watch, works
from tests.support.terminal.screen import INVITE, shell
from tests.support.waiting import until


def test_answer_takes_the_oldest_prompt_and_follows_the_loop(asked_screen, asking):
    asked_screen.enter("answer")
    asked_screen.see(
        "Restart nginx now?",
        "1) yes",
        "2) no",
        "why: the configuration has changed",
        "unit on web1: state=stopped",
    )
    asked_screen.see("answer 3 of web (1-2, Enter for later):")
    asked_screen.enter("maybe")
    asked_screen.see("cannot accept 'maybe' as an answer")
    asked_screen.wait(lambda text: text.count("answer 3 of web (1-2") == 2, what="be asked again")
    asked_screen.type("n\t")
    asked_screen.see("later): no")
    asked_screen.enter()
    asked_screen.see("answered: no (by ada)")
    until(lambda: asking.events.watchers == 2)
    asking.happen(IterationStarted, n=13, in_run=1, of=10)
    asked_screen.see("◆ iteration 13")
    resting = builders.loop(state=LoopState.RESTING, next_run_at=builders.ago(-3600))
    asking.on(ShowLoop, LoopDetail(loop=resting, process=None, open_prompts=[], last=None))
    asking.happen(LoopRested, delay=3600.0, failures=0)
    asked_screen.see("next check in 60 min", "web: resting")
    works(asked_screen)
    assert asking.asked_for(AnswerPrompt) == [AnswerPrompt(prompt=3, answer="no")]


def test_a_secret_is_not_shown_while_it_is_typed(asked_screen, asking, tmp_path):
    secret = builders.prompt(3, "Which phrase?", options=[], secret=True)
    asking.on(ShowPrompt, PromptDetail(prompt=secret, loop="web", desired_state="nginx runs", observations=[]))
    asked_screen.enter("answer 3")
    asked_screen.see("answer 3 of web (a secret, not shown, Enter for later):")
    asked_screen.type("open sesame")
    asked_screen.see("***********")
    asked_screen.enter()
    until(lambda: asking.asked_for(AnswerPrompt))
    assert asking.asked_for(AnswerPrompt) == [AnswerPrompt(prompt=3, answer="open sesame", is_private=True)]
    assert [path for path in tmp_path.rglob("*history*") if "sesame" in path.read_text()] == []


def test_ctrl_c_stops_following_and_the_loop_continues(asked_screen, asking):
    asked_screen.enter("answer 3")
    asked_screen.see("answer 3 of web (1-2")
    asked_screen.enter("1")
    asked_screen.see("answered: yes")
    until(lambda: asking.events.watchers == 2)
    asked_screen.type("\x03")
    asked_screen.see("web continues: watch web")
    works(asked_screen)


def test_an_answer_can_be_postponed(asked_screen, asking):
    asked_screen.enter("answer")
    asked_screen.see("answer 3 of web (1-2")
    asked_screen.enter()
    asked_screen.see("the prompt stays open: answer 3")
    asked_screen.enter("answer")
    asked_screen.wait(lambda text: text.count("answer 3 of web (1-2") == 2)
    asked_screen.type("\x03")
    asked_screen.wait(lambda text: text.count("the prompt stays open: answer 3") == 2)
    assert not asking.asked_for(AnswerPrompt)


def test_the_invitation_names_the_prompt_and_how_to_postpone_it(asked_screen, asking):
    prompt = builders.prompt(3, default="no")
    asking.on(ShowPrompt, PromptDetail(prompt=prompt, loop="web", desired_state="up", observations=[]))
    asked_screen.enter("answer 3")
    asked_screen.see("answer 3 of web (1-2, Enter for no, Ctrl-C for later):")
    asked_screen.type("\x03")
    asked_screen.see("the prompt stays open: answer 3")
    assert not asking.asked_for(AnswerPrompt)


def test_an_answer_typed_during_a_restart_of_the_service_is_sent(asked_screen, asking):
    asked_screen.enter("answer")
    asked_screen.see("answer 3 of web (1-2")
    asking.stop()
    asked_screen.see("the service is unreachable")
    asking.start()
    asked_screen.see("the service is back")
    asked_screen.enter("2")
    asked_screen.see("answered: no")
    assert asking.asked_for(AnswerPrompt) == [AnswerPrompt(prompt=3, answer="no")]


def test_a_prompt_that_is_opened_during_an_answer_is_announced(asked_screen, asking):
    wait_for_watch(asking)
    asked_screen.enter("answer")
    asked_screen.see("answer 3 of web (1-2")
    asked_screen.type("ye")
    asking.asks(builders.prompt(8, "Drop the table?"))
    asked_screen.see("web asks: Drop the table?", "later): ye")


def test_delete_refuses_a_loop_that_has_not_ended_without_asking(service, tmp_path):
    service.on(ShowLoop, LoopDetail(loop=builders.loop(), process=None, open_prompts=[], last=None))
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE)
        screen.enter("delete web")
        screen.see("`cancel web` ends it first")
        assert "[y/N]" not in screen.text
    assert not service.asked_for(DeleteLoop)


def test_delete_asks_for_confirmation(service, tmp_path):
    ended = builders.loop(state=LoopState.COMPLETED)
    service.on(ShowLoop, LoopDetail(loop=ended, process=None, open_prompts=[], last=None))
    service.on(DeleteLoop, Deleted(id=1, name="web"))
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE)
        screen.enter("delete web")
        screen.see("delete loop web with 12 iterations and 4 actions? [y/N]")
        screen.enter()
        screen.see("nothing was deleted")
        screen.enter("delete web")
        screen.wait(lambda text: text.count("[y/N]") == 2)
        screen.enter("y")
        screen.see("web: deleted")
    assert len(service.asked_for(DeleteLoop)) == 1
