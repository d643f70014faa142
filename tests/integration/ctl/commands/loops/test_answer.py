"""Answering prompts."""

from __future__ import annotations

import json

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.protocol.loops.nouns import (
    Desired,
    LoopState,
    PromptState,
)
from ftl2_enterprise.protocol.loops.replies import (
    LoopDetail,
    PromptDetail,
)
from ftl2_enterprise.protocol.loops.verbs import (
    AnswerPrompt,
    ShowLoop,
    ShowPrompt,
)
from ftl2_enterprise.protocol.service.verbs import (
    EventPage,
    ListEvents,
)
from tests.support.data import builders


def test_an_answer_on_the_command_line_is_sent(service, ctl):
    service.on(
        AnswerPrompt,
        lambda request: builders.prompt(
            request.prompt, state=PromptState.ANSWERED, answer=request.answer, answered_by="ada"
        ),
    )
    assert ctl("answer", "3", "on", "disk", "2") == (0, "  answered: on disk 2 (by ada)\n", "")
    assert service.asked_for(AnswerPrompt)[0] == AnswerPrompt(prompt=3, answer="on disk 2")


def test_a_question_needs_a_terminal(service, ctl):
    status, _, err = ctl("answer", "3", stdin="yes\n")
    assert status == 2
    assert "cannot ask for the answer: there is no terminal" in err
    for words, of in ((("1",), "1"), (("1", "--wait"), "1"), ((), "PROMPT")):
        assert ctl("answer", *words, stdin="")[2].endswith(
            f"hint: give it as an argument: `ftl2ctl answer {of} ANSWER`; "
            f"a secret only through a pipe: `ftl2ctl answer {of} -`\n"
        )
    assert not service.asked


def test_a_refused_answer(service, ctl):
    def refuse(_request: AnswerPrompt) -> None:
        raise conflict("cannot answer prompt 3: it is answered", "ftl2ctl prompts lists those that are open")

    service.on(AnswerPrompt, refuse)
    status, out, err = ctl("answer", "3", "yes", "--json")
    assert status == 75
    assert json.loads(out) == {
        "error": {
            "code": "conflict",
            "message": "cannot answer prompt 3: it is answered",
            "hint": "ftl2ctl prompts lists those that are open",
        },
        "exit_status": 75,
    }
    assert "error: cannot answer prompt 3" in err


def test_without_a_terminal_the_prompt_is_not_read(service, ctl):
    service.on(ShowPrompt, PromptDetail(prompt=builders.prompt(), loop="web", desired_state="x", observations=[]))
    assert ctl("answer", "3")[0] == 2
    assert not service.asked_for(ShowPrompt)


def test_a_loop_that_does_not_continue_is_not_followed(service, ctl):
    service.on(ListEvents, EventPage(events=[], cursor=1))
    service.on(AnswerPrompt, builders.prompt(state=PromptState.ANSWERED, answer="yes", answered_by="ada"))
    paused = builders.loop(state=LoopState.PAUSED, desired=Desired.PAUSE)
    service.on(ShowLoop, LoopDetail(loop=paused, process=None, open_prompts=[], last=None))
    assert ctl("answer", "3", "yes", "--wait")[0] == 6
