"""`ftl2ctl prompts`, `answer` and `dismiss`."""

from __future__ import annotations

import json

from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.protocol.loops.nouns import PromptState
from ftl2_enterprise.protocol.loops.replies import PromptDetail, PromptLine
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, DismissPrompt, ListPrompts, ShowPrompt
from tests.support import builders


def test_answering_in_one_line(service, ctl):
    service.on(
        AnswerPrompt,
        lambda request: builders.prompt(
            request.prompt, state=PromptState.ANSWERED, answer=request.answer, answered_by="ada"
        ),
    )
    assert ctl("answer", "3", "on", "disk", "2") == (0, "  answered: on disk 2 (by ada)\n", "")
    assert service.asked_for(AnswerPrompt)[0] == AnswerPrompt(prompt=3, answer="on disk 2")


def test_answering_needs_somebody_to_ask(service, ctl):
    status, _, err = ctl("answer", "3", stdin="yes\n")
    assert status == 2
    assert "cannot answer without an answer: nobody can be asked here" in err
    for words in (("1",), ("1", "--wait")):
        assert ctl("answer", *words, stdin="")[2].endswith("hint: give the answer too: `ftl2ctl answer 1 ANSWER`\n")
    hint = "hint: give prompt and answer: `ftl2ctl answer PROMPT ANSWER`\n"
    assert ctl("answer", stdin="")[2].endswith(hint)
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


def test_prompts_and_dismissing(service, ctl):
    service.on(
        ListPrompts,
        [PromptLine(prompt=builders.prompt(4), loop="db"), PromptLine(prompt=builders.prompt(3), loop="web")],
    )
    out = ctl("prompts")[1]
    assert "yes | no" in out
    service.on(DismissPrompt, builders.prompt(3, state=PromptState.DISMISSED))
    assert ctl("dismiss", "3")[1] == "prompt 3: dismissed; the decider is told that nobody answers\n"
    taken = builders.prompt(
        3, state=PromptState.ANSWERED, answer="no", answered_by="default, dismissed by eva (uid 1000)"
    )
    service.on(DismissPrompt, taken)
    assert ctl("dismiss", "3")[1] == "prompt 3: dismissed; the loop goes on with the default: no\n"
    service.on(ListPrompts, [])
    assert ctl("prompts")[1] == "no open prompts: no loop waits for you\n"


def test_prompts_are_the_oldest_first_for_programs_too(service, ctl):
    found = [builders.prompt(27), builders.prompt(26, asked_at=builders.ago(600))]
    service.on(ListPrompts, [PromptLine(prompt=prompt, loop="web") for prompt in found])
    for words in (("prompts",), ("prompts", "--all")):
        assert [one["prompt"]["id"] for one in json.loads(ctl(*words, "--json")[1])] == [26, 27]


def test_the_prompts_of_one_loop_offer_the_oldest_of_them(service, ctl):
    found = [builders.prompt(27), builders.prompt(26, asked_at=builders.ago(600))]
    service.on(ListPrompts, [PromptLine(prompt=prompt, loop="web") for prompt in found])
    assert ctl("prompts", "web")[1].splitlines()[-1] == "answer the oldest: ftl2ctl answer 26"


def test_prompts_are_shown_before_they_are_asked(service, ctl):
    service.on(ShowPrompt, PromptDetail(prompt=builders.prompt(), loop="web", desired_state="x", observations=[]))
    assert ctl("answer", "3")[0] == 2
    assert not service.asked_for(ShowPrompt)
