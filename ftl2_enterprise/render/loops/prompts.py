"""Prompts as lines: the question, its answer, the list of prompts, and the notices about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.approvals import APPROVE, REJECT
from ftl2_enterprise.protocol.loops.nouns import PromptKind, PromptState
from ftl2_enterprise.protocol.loops.verbs import ListPrompts
from ftl2_enterprise.render.loops.approvals import (
    MODEL,
    approval_lines,
    consequences,
    model_text,
    origin_lines,
    short_action_lines,
)
from ftl2_enterprise.render.loops.observations import observation_line
from ftl2_enterprise.render.loops.prompt_endings import ending, ending_line, state_word
from ftl2_enterprise.render.loops.standing import expiry, until
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, ago, line, one_line, symbol
from ftl2_enterprise.render.view import ViewContent, offer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.approvals import ApprovalState
    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.protocol.loops.replies import PromptDetail, PromptLine
    from ftl2_enterprise.render.view import ViewReader

INDENT = 2
DEEPER = 4
LIMIT = 200
SHOWN_OBSERVATIONS = 8
SHOWN_APPROVALS = 5
INTERNAL = "manifest:files"
"""The observation by which a manifest reads its own files."""
BY_MODEL = "a model asks"
"""Precedes the words of a model, so that no person takes them for those of this program."""
COLUMNS = (
    Column("ID", right=True),
    Column("LOOP", least=10),
    Column("ASKED"),
    Column("STATE", drop=4),
    Column("QUESTION", least=20),
    Column("OPTIONS", least=10, drop=3),
    Column("EXPIRES", drop=2),
    Column("ANSWER", least=8, drop=1),
)


# --- one prompt ----------------------------------------------------------------------------------------------------


def question(
    prompt_id: int, text: str, options: Sequence[str], default: str | None, *, model: str | None = None
) -> list[Line]:
    """A question with its numbered options and its default; that of a model is quoted."""
    what = one_line(text, 600) if model is None else BY_MODEL
    lines = [line(symbol("?", Role.WARNING), (f"prompt {prompt_id}: ", Role.WARNING), what, indent=INDENT)]
    if model is not None:
        lines += [*origin_lines(MODEL, model, None, indent=DEEPER), *model_text(text, indent=DEEPER)]
    for n, option in enumerate(options, start=1):
        mark = [(" (default)", Role.FAINT)] if option == default else []
        lines.append(line((f"{n}) ", Role.ACCENT), one_line(option), *mark, indent=DEEPER))
    if default is not None and default not in options:
        lines.append(line((f"default: {one_line(default)}", Role.FAINT), indent=DEEPER))
    return lines


def question_reason(text: str | None, *, model: str | None, indent: int = INDENT) -> list[Line]:
    """Why it is asked; what a model gives as its reason is quoted."""
    if model is not None:
        return model_text(text, indent=indent, title="the reason of the model:")
    return [line(("why: ", Role.FAINT), one_line(text, 600), indent=indent)] if text else []


def expires(prompt: Prompt, now: Instant, *, indent: int = INDENT) -> list[Line]:
    """When an open prompt expires, if it does."""
    if prompt.state is not PromptState.OPEN or prompt.deadline_at is None:
        return []
    return [line(("expires: ", Role.FAINT), expiry(prompt.deadline_at, now), indent=indent)]


def numbered(prompt: Prompt) -> Sequence[str]:
    """The options that a number chooses; none of an approval, whose actions are numbered."""
    return () if prompt.kind is PromptKind.APPROVAL else prompt.options


def choices(prompt: Prompt) -> str:
    """What can be typed as the answer, for the line on which it is typed."""
    if prompt.secret:
        return "a secret, not shown"
    if prompt.kind is PromptKind.APPROVAL:
        return f"{APPROVE} or {REJECT}"
    return f"1-{len(prompt.options)}" if prompt.options else "text"


def dismissed(prompt: Prompt) -> Line:
    """The reply to a dismissal: what the loop continues with."""
    what: tuple[str | tuple[str, Role], ...] = ("; its decider is notified that there is no answer",)
    if prompt.kind is PromptKind.APPROVAL:
        what = ("; none of its actions is executed",)
    if prompt.answer is not None:
        what = ("; the loop continues with the default: ", (one_line(prompt.answer, 120), Role.STRONG))
    return line((f"prompt {prompt.id}", Role.STRONG), ": dismissed", *what)


def detail_lines(detail: PromptDetail, now: Instant) -> list[Line]:
    """The question with its options, its reason, the observations that led to it, and its answer if it is settled."""
    prompt = detail.prompt
    shown = [
        line(
            (one_line(detail.loop), Role.STRONG),
            f" asked {ago(prompt.asked_at, now)}",
            (_desired(detail), Role.FAINT),
        ),
        *question(prompt.id, prompt.question, numbered(prompt), prompt.default, model=detail.model),
    ]
    if detail.approval is not None:
        shown += approval_lines(detail.approval)
    shown += expires(prompt, now)
    # The context of an approval repeats what its own lines show.
    if detail.approval is None:
        shown += question_reason(prompt.context, model=detail.model)
    # The files of a manifest are internal to it; its reason names the differences.
    seen = [one for one in detail.observations if one.error or not one.name.startswith(INTERNAL)]
    if seen:
        shown.append(line(("observed:", Role.FAINT), indent=INDENT))
        shown += [observation_line(one, indent=DEEPER) for one in seen[:SHOWN_OBSERVATIONS]]
        more = len(seen) - SHOWN_OBSERVATIONS
        if more > 0:
            shown.append(line((f"and {more} more", Role.FAINT), indent=DEEPER))
    if prompt.state is PromptState.OPEN and prompt.kind is PromptKind.APPROVAL:
        shown += consequences()
    if prompt.state is not PromptState.OPEN:
        shown.append(ending_line(prompt, detail.approval))
    return shown


def _desired(detail: PromptDetail) -> str:
    # The text of a manifest does not fit on one line.
    is_text = "\n" not in detail.desired_state.strip()
    return f"  (desired state: {one_line(detail.desired_state, 160)})" if is_text else ""


# --- lists of prompts ----------------------------------------------------------------------------------------------


def prompts_view(reader: ViewReader, *, loop: str | None, settled: bool, limit: int = LIMIT) -> ViewContent:
    """The open prompts, or all of them, oldest first; of one loop if it is given.

    The document is a list of `PromptLine`.
    """
    found = reader.call(ListPrompts(loop=loop, settled=settled, limit=limit))
    # The service lists the newest first, so that the limit leaves out the oldest.
    found.sort(key=lambda one: (one.prompt.asked_at, one.prompt.id))
    return ViewContent(found, lambda: prompts_table(reader, found, settled=settled))


def prompts_table(reader: ViewReader, found: Sequence[PromptLine], *, settled: bool) -> list[Line]:
    """The table of prompts, and the command that answers the oldest."""
    if not found:
        return [line("no prompts" if settled else "no open prompts")]
    now = reader.now()
    rows = [
        [
            cell((str(one.prompt.id), Role.STRONG)),
            cell(one_line(one.loop, 80)),
            cell((ago(one.prompt.asked_at, now), Role.FAINT)),
            cell(state_word(one.prompt, _approval_state(one), now) if settled else "-"),
            cell(_asked(one)),
            cell(one_line(" | ".join(one.prompt.options), 120) or ("a secret" if one.prompt.secret else "any text")),
            cell(until(one.prompt.deadline_at, now) if one.prompt.deadline_at and not settled else "-"),
            cell(one_line(_ending(one), 160)),
        ]
        for one in found
    ]
    shown = table(COLUMNS, rows, reader.room)
    if not settled:
        for one in [one for one in found if one.approval is not None][:SHOWN_APPROVALS]:
            what = ("prompt ", (str(one.prompt.id), Role.STRONG), " asks to approve:")
            lines = [*short_action_lines(one.approval), *expires(one.prompt, now, indent=DEEPER)]
            shown += [line(*what, indent=INDENT), *lines]
        for one in [one for one in found if one.model is not None][:SHOWN_APPROVALS]:
            shown += question(one.prompt.id, one.prompt.question, (), None, model=one.model)
            shown += question_reason(one.prompt.context, model=one.model, indent=DEEPER)
        for one in [one for one in found if one.approval is None and one.prompt.deadline_at is not None]:
            at = expiry(one.prompt.deadline_at or now, now)
            shown.append(line("prompt ", (str(one.prompt.id), Role.STRONG), f" expires: {at}", indent=INDENT))
        shown.append(offer(reader, "answer the oldest", f"answer {found[0].prompt.id}"))
    return shown


def _asked(one: PromptLine) -> str:
    text = one_line(one.prompt.question, 300)
    return text if one.model is None else f"{BY_MODEL}: {text}"


def _approval_state(one: PromptLine) -> ApprovalState | None:
    return one.approval.request.state if one.approval is not None else None


def _ending(one: PromptLine) -> str:
    """How it ended, without the state, which has its own column; of a question that a person answered, the answer."""
    prompt, approval = one.prompt, one.approval
    word = state_word(prompt, _approval_state(one), prompt.asked_at)
    if prompt.state is PromptState.OPEN:
        return "-"
    if approval is not None:
        return ending(prompt, approval.request, approval.votes).removeprefix(f"{word}: ")
    has_all = word == PromptState.ANSWERED or (prompt.answer is None and prompt.withdrawn is None)
    return (prompt.answer or "-") if has_all else ending(prompt, None).removeprefix(f"{word}: ")


def open_prompt_lines(reader: ViewReader, prompts: Sequence[PromptLine], *, most: int = 5) -> list[Line]:
    """Open prompts below a list of loops, oldest first, each with the command that answers it."""
    now = reader.now()
    oldest = sorted(prompts, key=lambda one: one.prompt.asked_at)
    lines: list[Line] = []
    for one in oldest[:most]:
        lines.append(
            line(
                symbol("?", Role.WARNING),
                (f"prompt {one.prompt.id}", Role.WARNING),
                f" of {one_line(one.loop, 60)}, {ago(one.prompt.asked_at, now)}: ",
                _asked(one),
                (f"; expires {expiry(one.prompt.deadline_at, now)}" if one.prompt.deadline_at else "", Role.FAINT),
            )
        )
        lines.append(line(("-> ", Role.FAINT), (reader.command(f"answer {one.prompt.id}"), Role.COMMAND), indent=2))
    if len(oldest) > most:
        lines.append(offer(reader, f"and {len(oldest) - most} more", "prompts"))
    return lines


# --- notices -------------------------------------------------------------------------------------------------------


def asked_notice(one: PromptLine) -> list[Line]:
    """The notice in the shell that a loop asks something."""
    choices = " / ".join(one_line(option, 40) for option in one.prompt.options)
    return [
        line(
            symbol("?", Role.WARNING),
            (f"{one_line(one.loop, 60)} asks", Role.WARNING),
            f": {_asked(one)}",
            (f" ({choices})" if choices else "", Role.FAINT),
        ),
        line(("-> ", Role.FAINT), (f"answer {one.prompt.id}", Role.COMMAND), indent=2),
    ]
