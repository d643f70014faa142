"""`answer` and `dismiss`: settle a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl.registry import Argument, Command, Example, Flag, Group, Kind
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, DismissPrompt, ListPrompts, ShowPrompt
from ftl2_enterprise.render.loops.prompt_text import answered, question
from ftl2_enterprise.render.text import Line, Role, ago, fields_text, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.nouns import Observation, Prompt
    from ftl2_enterprise.protocol.loops.replies import PromptDetail

SHOWN_OBSERVATIONS = 8
INTERNAL = "manifest:files"
SAYS_LITTLE = {"changed", "cmd", "invocation", "rc", "stderr", "start", "end", "delta"}


def run(session: Session, given: Given) -> int:
    """Answer with what was given, else ask the person here and show the loop going on."""
    if given.has("answer"):
        request = AnswerPrompt(prompt=given.number("prompt", 0), answer=given.text("answer"))
        if given.has("wait"):
            from ftl2_enterprise.ctl import follow  # noqa: PLC0415

            return follow.after_call(session, request)
        prompt = session.call(request)
        session.reply(prompt, lambda: answered(prompt.answer, prompt.answered_by))
        return 0
    asker, prompt_id = session.asker, given.maybe_number("prompt")
    if asker is None or session.wants_json:
        raise invalid(
            "cannot answer without an answer: nobody can be asked here",
            f"give prompt and answer: `{session.command('answer PROMPT ANSWER')}`"
            if prompt_id is None
            else f"give the answer too: `{session.command(f'answer {prompt_id} ANSWER')}`",
        )
    if prompt_id is None:
        waiting = session.call(ListPrompts(limit=1000))
        if not waiting:
            session.print(line("no open prompts: no loop waits for you"))
            return 0
        prompt_id = min(waiting, key=lambda one: (one.prompt.asked_at, one.prompt.id)).prompt.id
    detail = session.call(ShowPrompt(prompt=prompt_id))
    session.print(detail_lines(session, detail))
    if detail.prompt.state != "open":
        return 0
    # Typing may take longer than the service lives.
    session.close()
    text = asker.answer(detail.prompt, detail.loop)
    from ftl2_enterprise.ctl import follow  # noqa: PLC0415
    from ftl2_enterprise.ctl.prompter import Silence  # noqa: PLC0415

    if text is Silence.SETTLED:
        session.print(line("nothing was sent"))
        return 0
    if text is Silence.LATER:
        session.print(line("it stays open: ", (session.command(f"answer {prompt_id}"), Role.COMMAND)))
        return 0
    status = follow.after_call(session, AnswerPrompt(prompt=prompt_id, answer=text))
    # The prompt is answered; how the loop stands afterwards is not this command's failure.
    return status if given.has("wait") else 0


def detail_lines(session: Session, detail: PromptDetail) -> list[Line]:
    """The question, its options, why it is asked and what was seen."""
    prompt, now = detail.prompt, session.now()
    shown = [
        line(
            (one_line(detail.loop), Role.STRONG),
            f" asks, {ago(prompt.asked_at, now)}",
            (_wanted(detail), Role.FAINT),
        ),
        *question(prompt.id, prompt.question, prompt.options, prompt.default),
    ]
    if prompt.context:
        shown.append(line(("why: ", Role.FAINT), one_line(prompt.context, 600), indent=2))
    # A manifest's look at its files says nothing to people; what it means is among the reasons.
    seen = [one for one in detail.observations if one.error or not one.name.startswith(INTERNAL)]
    if seen:
        shown.append(line(("what was seen:", Role.FAINT), indent=2))
        shown += [_observation(one) for one in seen[:SHOWN_OBSERVATIONS]]
        more = len(seen) - SHOWN_OBSERVATIONS
        if more > 0:
            shown.append(line((f"and {more} more", Role.FAINT), indent=4))
    if prompt.state != "open":
        shown.append(
            answered(prompt.answer, prompt.answered_by)
            if prompt.answer is not None
            else line((f"it is {prompt.state}", Role.WARNING), indent=2)
        )
    return shown


def _wanted(detail: PromptDetail) -> str:
    # A manifest is no sentence.
    return "" if "\n" in detail.desired_state.strip() else f"  (it wants: {one_line(detail.desired_state, 160)})"


def _observation(one: Observation) -> Line:
    what = one_line(one.error or _told(one.result.shown), 160)
    role = Role.BAD if one.error else Role.PLAIN
    return line((f"{one_line(f'{one.name} on {one.host}', 100)}: ", Role.FAINT), (what, role), indent=4)


def _told(result: str) -> str:
    """What a module's result says to people: what it wrote, else its values."""
    try:
        fields = msgspec.json.decode(result, type=dict[str, Any])
    except msgspec.MsgspecError:
        # It is long, and shown shortened.
        return result
    said = str(fields.get("stdout") or fields.get("msg") or "").strip()
    return said or fields_text({name: value for name, value in fields.items() if name not in SAYS_LITTLE})


def dismiss(session: Session, given: Given) -> int:
    """Close it."""
    prompt = session.call(DismissPrompt(prompt=given.number("prompt", 0)))
    session.reply(prompt, lambda: _dismissed(prompt))
    return 0


def _dismissed(prompt: Prompt) -> Line:
    told: tuple[str | tuple[str, Role], ...] = ("; the decider is told that nobody answers",)
    if prompt.answer is not None:
        told = ("; the loop goes on with the default: ", (one_line(prompt.answer, 120), Role.STRONG))
    return line((f"prompt {prompt.id}", Role.STRONG), ": dismissed", *told)


PROMPT = Argument("prompt", Kind.PROMPT, "The number of the prompt.")

COMMANDS = (
    Command(
        name="answer",
        summary="Answer a prompt; without a number the oldest one that is open.",
        group=Group.PROMPTS,
        run=run,
        verbs=(AnswerPrompt, ListPrompts, ShowPrompt),
        arguments=(
            Argument("prompt", Kind.PROMPT, "The number of the prompt.", optional=True),
            Argument("answer", Kind.ANSWER, "An option, its number, or text.", optional=True, rest=True),
        ),
        flags=(Flag("wait", "Follow the loop until it ends, rests or asks again; the status tells how.", short="w"),),
        details=(
            "Without an answer the question is shown with its options, why it is asked and what was seen, and the "
            "answer is typed; then the loop is shown going on. Ctrl-C leaves it to go on alone."
        ),
        examples=(
            Example("answer", "the oldest open prompt"),
            Example("answer 3", "this one"),
            Example("answer 3 yes", "with an option, or any text where there are none"),
            Example("answer 3 1", "with the number of an option"),
        ),
    ),
    Command(
        name="dismiss",
        summary="Close a prompt that nobody wants to answer; its default counts if it has one.",
        group=Group.PROMPTS,
        run=dismiss,
        verbs=(DismissPrompt,),
        arguments=(PROMPT,),
        details=(
            "The loop goes on as when the time for an answer runs out: with the default, and acts on it. Without a "
            "default its decider is told that nobody answers: a manifest is then blocked, and asks again after "
            "`retry`. To keep a loop from acting, pause or cancel it."
        ),
        examples=(Example("dismiss 3"),),
    ),
)
