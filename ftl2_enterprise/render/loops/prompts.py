"""Prompts as lines: the question, its answer, the list of prompts, and the notices about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftl2_enterprise.core.clock import moment
from ftl2_enterprise.core.sentences import without_repeats
from ftl2_enterprise.protocol.loops.approvals import APPROVE, REJECT, ApprovalState
from ftl2_enterprise.protocol.loops.nouns import Mode, PromptKind, PromptState
from ftl2_enterprise.protocol.loops.verbs import ListPrompts
from ftl2_enterprise.render.loops.diffs import diff_lines
from ftl2_enterprise.render.loops.standing import until
from ftl2_enterprise.render.table import Column, cell, table
from ftl2_enterprise.render.text import Line, Role, ago, fields_text, line, one_line, person, quoted, symbol
from ftl2_enterprise.render.view import ViewContent, offer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl2_enterprise.core.clock import Instant
    from ftl2_enterprise.protocol.loops.approvals import ApprovalDetail, RequiredPeople
    from ftl2_enterprise.protocol.loops.nouns import Loop, Observation, Prompt
    from ftl2_enterprise.protocol.loops.replies import PromptDetail, PromptLine
    from ftl2_enterprise.render.view import ViewReader

INDENT = 2
DEEPER = 4
LIMIT = 200
SHOWN_OBSERVATIONS = 8
SHOWN_ACTIONS = 10
SHOWN_APPROVALS = 5
SHORT = 120
"""Characters of the parameters of an action in a list."""
INTERNAL = "manifest:files"
"""The observation by which a manifest reads its own files."""
WITHOUT_EFFECT = {ApprovalState.VOID, ApprovalState.EXPIRED}
"""States of a request that ended without its actions, whatever people agreed to before."""
NOT_EXECUTED = "none of the actions is executed"
THEN_EXECUTED = "the loop observes again, and executes the actions if nothing has changed"
"""What follows from an approval."""
UNHELPFUL = {"changed", "cmd", "invocation", "rc", "stderr", "start", "end", "delta"}
"""Fields of a module's result that do not help to answer a prompt."""
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


def question(prompt_id: int, text: str, options: Sequence[str], default: str | None) -> list[Line]:
    """A question with its numbered options and its default."""
    lines = [
        line(symbol("?", Role.WARNING), (f"prompt {prompt_id}: ", Role.WARNING), one_line(text, 600), indent=INDENT)
    ]
    for n, option in enumerate(options, start=1):
        mark = [(" (default)", Role.FAINT)] if option == default else []
        lines.append(line((f"{n}) ", Role.ACCENT), one_line(option), *mark, indent=DEEPER))
    if default is not None and default not in options:
        lines.append(line((f"default: {one_line(default)}", Role.FAINT), indent=DEEPER))
    return lines


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


def consequences() -> list[Line]:
    """The two answers to an approval, and what follows from each."""
    return [
        line((f"{APPROVE}: ", Role.ACCENT), THEN_EXECUTED, indent=INDENT),
        line((f"{REJECT}: ", Role.ACCENT), NOT_EXECUTED, indent=INDENT),
    ]


def decision_offers(reader: ViewReader, prompt_id: int, *, indent: int = DEEPER) -> list[Line]:
    """The commands that approve or reject all the actions of a prompt."""
    return [offer(reader, word, f"{word} {prompt_id}", indent=indent) for word in (APPROVE, REJECT)]


def answered(answer: object, by: object) -> Line:
    """An answer and its author."""
    return line(
        symbol("✔", Role.GOOD),
        "answered: ",
        (one_line(str(answer)), Role.STRONG),
        (f" (by {person(None if by is None else str(by))})", Role.FAINT),
        indent=INDENT,
    )


def action_line(
    n: int, module: str, host: str, params: str, *, is_refused: bool = False, reason: str | None = None
) -> Line:
    """One action that people are asked to approve; `params` on one line."""
    mark = (symbol("⊘", Role.BAD), "not run: ") if is_refused else (symbol("▸", Role.ACCENT),)
    return line(
        *mark,
        (f"{n}. ", Role.FAINT),
        (one_line(module, 80), Role.STRONG),
        f" on {one_line(host, 80)}",
        f"  {params}" if params else "",
        (f"  ({one_line(reason, 200)})" if reason else "", Role.FAINT),
        indent=DEEPER,
    )


def short_action_lines(approval: ApprovalDetail | None) -> list[Line]:
    """The first actions that people are asked to approve, each on one line; nothing for a question."""
    if approval is None:
        return []
    actions = approval.request.actions
    lines = [
        action_line(
            one.n, one.module, one.host, one_line(fields_text(one.params), SHORT), is_refused=one.refused is not None
        )
        for one in actions[:SHOWN_ACTIONS]
    ]
    why = without_repeats(one.asks for one in actions if one.asks)
    needs = terms(why, map(who, approval.request.needs))
    asked = asked_again(approval.again, indent=DEEPER)
    return [*lines, *more_actions(len(actions)), *asked, *needs, *_consents(approval, indent=DEEPER)]


def asked_again(why: str | None, *, indent: int) -> list[Line]:
    """Why people are asked although they were asked before; nothing if they were not."""
    return [line(("asked again: ", Role.WARNING), one_line(why, 300), indent=indent)] if why else []


def terms(why: Iterable[str], needs: Iterable[str], *, indent: int = DEEPER) -> list[Line]:
    """Why actions need an approval, and who must agree."""
    return [
        *(line((one_line(text, 300), Role.FAINT), indent=indent) for text in why if text),
        # Two rules may require the same people, each in its own time.
        *(line(("needs: ", Role.FAINT), one_line(text, 200), indent=indent) for text in dict.fromkeys(needs)),
    ]


def more_actions(total: int) -> list[Line]:
    """The number of actions that are not shown, of a list of `total`."""
    more = total - SHOWN_ACTIONS
    return [line((f"and {more} more", Role.FAINT), indent=DEEPER)] if more > 0 else []


def approval_lines(approval: ApprovalDetail) -> list[Line]:
    """What people are asked to approve: every action in order, who must agree, until when, and who has."""
    request = approval.request
    lines: list[Line] = []
    for one in request.actions:
        params, refused = one_line(fields_text(one.params), 400), one.refused is not None
        lines.append(action_line(one.n, one.module, one.host, params, is_refused=refused, reason=one.reason))
        lines += diff_lines(one.diff or "", indent=DEEPER + 4)
        if one.refused:
            lines.append(line((one_line(one.refused, 300), Role.WARNING), indent=DEEPER + 4))
    lines += terms([], map(who, request.needs), indent=INDENT)
    lines += _consents(approval, indent=INDENT)
    if request.reason:
        lines.append(line((one_line(_end(approval), 400), Role.WARNING), indent=INDENT))
    if request.state is ApprovalState.OPEN:
        lines.append(line(("expires: ", Role.FAINT), moment(request.deadline_at), indent=INDENT))
    return lines


def _end(approval: ApprovalDetail) -> str:
    """Why the request has ended without its actions; an approval that does not count is named."""
    request = approval.request
    counted = request.state not in WITHOUT_EFFECT or not any(vote.approved for vote in approval.votes)
    return (request.reason or "") if counted else f"the approval does not count: {request.reason}"


def _consents(approval: ApprovalDetail, *, indent: int) -> list[Line]:
    """Who has agreed already."""
    is_void = approval.request.state in WITHOUT_EFFECT
    return [
        line(
            symbol("-", Role.FAINT) if is_void else symbol("✔", Role.GOOD),
            f"approved by {one_line(vote.name, 80)}",
            (f": {one_line(vote.reason, 200)}" if vote.reason else "", Role.FAINT),
            indent=indent,
        )
        for vote in approval.votes
        if vote.approved
    ]


def who(need: RequiredPeople) -> str:
    """The people that are required, as a part of a sentence."""
    parts = [f"{need.people} person{'' if need.people == 1 else 's'} with access to {need.by}"]
    if need.group:
        parts.append(f"of the group {one_line(need.group, 80)}")
    if need.not_requester:
        parts.append("not the requester")
    return ", ".join(parts)


def decided(prompt: Prompt, approval: ApprovalDetail | None) -> Line:
    """The reply to a person who approved actions."""
    if approval is not None and approval.missing is not None:
        return line(symbol("✔", Role.GOOD), f"prompt {prompt.id}: approved; {approval.missing}")
    return line(symbol("✔", Role.GOOD), f"prompt {prompt.id}: approved; {THEN_EXECUTED}")


def rejected(reader: ViewReader, prompt: Prompt, loop: Loop) -> Line:
    """The reply to a person who rejected actions: when the loop asks about them again."""
    name = quoted(loop.name)
    then = f"the loop ends, and `{reader.command(f'retry {name}')}` asks again"
    if loop.mode is Mode.CONTINUOUS:
        then = f"it asks again when something changes, or after `{reader.command(f'run-now {name}')}`"
    return line(symbol("⊘", Role.WARNING), f"prompt {prompt.id}: rejected; {NOT_EXECUTED}; {then}")


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
        *question(prompt.id, prompt.question, numbered(prompt), prompt.default),
    ]
    if detail.approval is not None:
        shown += approval_lines(detail.approval)
    if prompt.context:
        shown.append(line(("why: ", Role.FAINT), one_line(prompt.context, 600), indent=INDENT))
    # The files of a manifest are internal to it; its reason names the differences.
    seen = [one for one in detail.observations if one.error or not one.name.startswith(INTERNAL)]
    if seen:
        shown.append(line(("observed:", Role.FAINT), indent=INDENT))
        shown += [_observation(one) for one in seen[:SHOWN_OBSERVATIONS]]
        more = len(seen) - SHOWN_OBSERVATIONS
        if more > 0:
            shown.append(line((f"and {more} more", Role.FAINT), indent=DEEPER))
    if prompt.state is PromptState.OPEN and prompt.kind is PromptKind.APPROVAL:
        shown += consequences()
    if prompt.state is not PromptState.OPEN and not _is_without_effect(detail.approval):
        shown.append(
            answered(prompt.answer, prompt.answered_by)
            if prompt.answer is not None
            else line((f"{prompt.state} without an answer", Role.WARNING), indent=INDENT)
        )
    return shown


def _is_without_effect(approval: ApprovalDetail | None) -> bool:
    """Whether it is a request that ended without its actions, of which the reason is shown."""
    return approval is not None and approval.request.state in WITHOUT_EFFECT and bool(approval.request.reason)


def _desired(detail: PromptDetail) -> str:
    # The text of a manifest does not fit on one line.
    is_text = "\n" not in detail.desired_state.strip()
    return f"  (desired state: {one_line(detail.desired_state, 160)})" if is_text else ""


def _observation(one: Observation) -> Line:
    what = one_line(one.error or _result_text(one.result.shown), 160)
    role = Role.BAD if one.error else Role.PLAIN
    return line((f"{one_line(f'{one.name} on {one.host}', 100)}: ", Role.FAINT), (what, role), indent=DEEPER)


def _result_text(result: str) -> str:
    """The readable part of a module's result: its output, or else its fields."""
    try:
        fields = msgspec.json.decode(result, type=dict[str, Any])
    except msgspec.MsgspecError:
        # A long result is stored shortened, which is not valid JSON.
        return result
    output = str(fields.get("stdout") or fields.get("msg") or "").strip()
    return output or fields_text({name: value for name, value in fields.items() if name not in UNHELPFUL})


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
            cell(_state(one) if settled else "-"),
            cell(one_line(one.prompt.question, 300)),
            cell(one_line(" | ".join(one.prompt.options), 120) or ("a secret" if one.prompt.secret else "any text")),
            cell(until(one.prompt.deadline_at, now) if one.prompt.deadline_at and not settled else "-"),
            cell(one_line(_answer(one), 120)),
        ]
        for one in found
    ]
    shown = table(COLUMNS, rows, reader.room)
    if not settled:
        for one in [one for one in found if one.approval is not None][:SHOWN_APPROVALS]:
            what = ("prompt ", (str(one.prompt.id), Role.STRONG), " asks to approve:")
            shown += [line(*what, indent=INDENT), *short_action_lines(one.approval)]
        shown.append(offer(reader, "answer the oldest", f"answer {found[0].prompt.id}"))
    return shown


def _state(one: PromptLine) -> str:
    """The state of the prompt; of a request for approval that is settled, how it ended."""
    if one.prompt.state is PromptState.DISMISSED:
        # The request for approval has expired with it.
        return str(one.prompt.state)
    is_open = one.approval is None or one.approval.request.state is ApprovalState.OPEN
    return str(one.prompt.state if is_open or one.approval is None else one.approval.request.state)


def _answer(one: PromptLine) -> str:
    """The answer; of an approval that does not count, why it does not."""
    if one.approval is not None and _is_without_effect(one.approval):
        return _end(one.approval)
    return one.prompt.answer if one.prompt.answer is not None else "-"


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
                one_line(one.prompt.question, 200),
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
            f": {one_line(one.prompt.question, 300)}",
            (f" ({choices})" if choices else "", Role.FAINT),
        ),
        line(("-> ", Role.FAINT), (f"answer {one.prompt.id}", Role.COMMAND), indent=2),
    ]


def settled_notice(prompt_id: int, prompt: Prompt | None) -> Line:
    """The notice that a prompt was settled while the user typed its answer; None when its loop was deleted."""
    what: tuple[str | tuple[str, Role], ...]
    match prompt.state if prompt is not None else None:
        case None:
            what = (" was deleted with its loop",)
        case PromptState.EXPIRED:
            what = (" expired without an answer",)
        case PromptState.DISMISSED:
            what = (" was dismissed and needs no answer",)
        case _:
            assert prompt is not None
            what = (f" was answered by {person(prompt.answered_by)}: ", (one_line(prompt.answer or ""), Role.STRONG))
    return line(symbol("!", Role.WARNING), (f"prompt {prompt_id}", Role.WARNING), *what)
