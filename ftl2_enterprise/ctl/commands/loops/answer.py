"""`answer`: answer a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Argument, Command, Example, Option
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl.loops import held
from ftl2_enterprise.ctl.loops.arguments import ANSWER, PROMPT_ID, PROMPTS
from ftl2_enterprise.protocol.loops.approvals import REJECT
from ftl2_enterprise.protocol.loops.nouns import PromptKind, PromptState
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ListPrompts, RejectPrompt, ShowLoop, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import ListFreezes
from ftl2_enterprise.render.loops.approvals import rejected
from ftl2_enterprise.render.loops.exit_status import LoopExit
from ftl2_enterprise.render.loops.prompt_endings import answered
from ftl2_enterprise.render.loops.prompts import detail_lines
from ftl2_enterprise.render.terminal import INTERRUPTED
from ftl2_enterprise.render.text import Role, line

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.prompter import Asker
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.render.text import Line


def run(session: CtlSession, given: GivenValues) -> int:
    """Submit the given answer; without one, ask the user for it and follow the loop."""
    if given.has("answer"):
        from ftl2_enterprise.commandline.hidden_input import STANDARD_INPUT, read_hidden  # noqa: PLC0415
        from ftl2_enterprise.protocol.loops.answers import LONGEST  # noqa: PLC0415

        answer = given.text("answer")
        is_private = answer == STANDARD_INPUT
        request = AnswerPrompt(
            prompt=given.number("prompt", 0),
            answer=read_hidden("answer", longest=LONGEST) if is_private else answer,
            is_private=is_private,
        )
        if given.has("wait"):
            from ftl2_enterprise.ctl.loops import follow  # noqa: PLC0415 - most calls do not wait

            return follow.after_call(session, request)
        prompt = session.call(request)
        session.reply(prompt, lambda: _confirm(session, prompt))
        return 0
    asker, prompt_id = session.asker, given.maybe_number("prompt")
    if asker is None or session.wants_json:
        of = "PROMPT" if prompt_id is None else prompt_id
        raise invalid(
            "cannot ask for the answer: there is no terminal",
            # Arguments can be read by other users, and stay in the history of the shell.
            f"give it as an argument: `{session.command(f'answer {of} ANSWER')}`; a secret only through a pipe: "
            f"`{session.command(f'answer {of} -')}`",
        )
    if prompt_id is None:
        prompt_id = _oldest(session)
    if prompt_id is None:
        session.print(line("no open prompts"))
        return 0
    return _ask(session, asker, prompt_id, follows=given.has("wait"))


def _confirm(session: CtlSession, prompt: Prompt) -> Line | list[Line]:
    """The reply: of an approval the same as that of `approve` and `reject`."""
    if prompt.kind is not PromptKind.APPROVAL:
        return answered(prompt.answer or "", prompt.answered_by)
    if prompt.answer == REJECT:
        return rejected(session, prompt, session.call(ShowLoop(loop=str(prompt.loop_id))).loop)
    return held.approved_lines(session, prompt, session.call(ShowPrompt(prompt=prompt.id)).approval)


def _oldest(session: CtlSession) -> int | None:
    waiting = session.call(ListPrompts(limit=1000))
    return min(waiting, key=lambda one: (one.prompt.asked_at, one.prompt.id)).prompt.id if waiting else None


def _ask(session: CtlSession, asker: Asker, prompt_id: int, *, follows: bool) -> int:
    """Show the prompt, read the answer, submit it and follow the loop."""
    from ftl2_enterprise.ctl.loops import follow  # noqa: PLC0415 - for terminals only
    from ftl2_enterprise.ctl.loops.questions import question_of, reason_of  # noqa: PLC0415
    from ftl2_enterprise.ctl.prompter import Silence  # noqa: PLC0415

    detail = session.call(ShowPrompt(prompt=prompt_id))
    session.print(detail_lines(detail, session.now()))
    if detail.prompt.state is not PromptState.OPEN:
        return 0
    # The service may end while the user types.
    session.close()
    question = question_of(detail.prompt, detail.loop)
    text, reason = asker.answer(question), ""
    if text == REJECT and detail.prompt.kind is PromptKind.APPROVAL:
        reason = asker.answer(reason_of(question))
    if Silence.SETTLED in {text, reason}:
        session.print(line("nothing was sent"))
        return 0
    if not isinstance(text, str) or not isinstance(reason, str):
        session.print(line("the prompt stays open: ", (session.command(f"answer {prompt_id}"), Role.COMMAND)))
        return 0
    request = AnswerPrompt(prompt=prompt_id, answer=text, is_private=detail.prompt.secret)
    if reason:
        request = RejectPrompt(prompt=prompt_id, reason=reason)
    status = follow.after_call(session, request)
    if follows:
        return status
    is_expected = status in _EXPECTED or (status == LoopExit.UNAPPROVED and text == REJECT)
    return 0 if is_expected else status


_EXPECTED: set[int] = {INTERRUPTED, LoopExit.WAITING, LoopExit.STOPPED, LoopExit.FROZEN}
"""Statuses of the loop with which this command has succeeded, unless it has to report them: it may continue later."""


COMMAND = Command(
    summary="Answer a prompt; without a number, the oldest open one.",
    group=PROMPTS,
    run=run,
    verbs=(AnswerPrompt, ListPrompts, RejectPrompt, ShowLoop, ShowPrompt, ListFreezes),
    arguments=(
        Argument("prompt", PROMPT_ID, "Number of the prompt.", optional=True),
        Argument(
            "answer",
            ANSWER,
            "An option, its number (but not of an approval), or text; - reads it from standard input.",
            optional=True,
            rest=True,
        ),
    ),
    options=(
        Option(
            "wait",
            "Follow the loop until it ends, rests or asks again; the exit status reports its state.",
            short="w",
            reports_outcome=True,
        ),
    ),
    details=(
        "Without an answer, the prompt is shown with its options, its reason and the observations, and you type the "
        "answer; then the loop is followed. After `reject` you can type a reason. Ctrl-C stops following, and the "
        "loop continues. The exit status reports how the loop ended, or that what you approved was void; without "
        "--wait it is 0 if the loop asks again, is paused, stopped or frozen, or if it ends because you rejected."
    ),
    examples=(
        Example("answer", "the oldest open prompt"),
        Example("answer 3", "prompt 3"),
        Example("answer 3 yes", "with an option, or any text if there are none"),
        Example("answer 3 1", "with the number of an option"),
        Example("answer 3 -", "with a secret that you pipe"),
    ),
)
