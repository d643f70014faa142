"""Requests for approval as lines: the actions with their differences, who must agree, who has, and how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.clock import moment
from ftl2_enterprise.core.sentences import listed, without_repeats
from ftl2_enterprise.protocol.loops.approvals import APPROVE, REJECT, ApprovalState
from ftl2_enterprise.protocol.loops.nouns import Desired, Mode
from ftl2_enterprise.render.loops.diffs import diff_lines
from ftl2_enterprise.render.text import (
    Line,
    Role,
    clean,
    fields_text,
    line,
    one_line,
    quoted,
    symbol,
    value_text,
    width,
    with_commands,
)
from ftl2_enterprise.render.view import offer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ftl2_enterprise.protocol.loops.approvals import ApprovalDetail, RequiredPeople, ShownVote
    from ftl2_enterprise.protocol.loops.nouns import Loop, Prompt
    from ftl2_enterprise.render.view import ViewReader

INDENT = 2
DEEPER = 4
SHOWN_ACTIONS = 10
SHORT_VALUE = 60
"""Characters of a value that one line always shows completely."""
LONGEST = 20_000
"""Characters of a value that is shown in full."""
LONGEST_REASONING = 600
"""Characters of the reasoning that are shown."""
QUOTED = 60
"""Columns of a line that quotes a model."""
MODEL = "model"
"""The origin of the actions that a model wants."""
SHOWN_DIFF = 12
"""Lines of the difference of an action in a list."""
SHORT = 120
"""Characters of the parameters of an action in a list."""
WITHOUT_EFFECT = {ApprovalState.VOID, ApprovalState.EXPIRED}
"""States of a request that ended without its actions, whatever people agreed to before."""
NOT_EXECUTED = "none of the actions is executed"
THEN_EXECUTED = "the loop observes again, and executes the actions if nothing has changed"
"""What follows from an approval."""


# --- the actions ---------------------------------------------------------------------------------------------------


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
    """The first actions that people are asked to approve, with the beginnings of their differences.

    Nothing for a question.
    """
    if approval is None:
        return []
    actions = approval.request.actions
    lines: list[Line] = []
    for one in actions[:SHOWN_ACTIONS]:
        params = one_line(fields_text(one.params), SHORT)
        lines.append(action_line(one.n, one.module, one.host, params, is_refused=one.refused is not None))
        if _in_full(one.params, params, has_diff=bool(one.diff)):
            hint = f"shortened; in full: `ftl2ctl answer {approval.request.prompt_id}`"
            lines.append(line(*with_commands(hint), indent=DEEPER + 4))
        lines += short_diff_lines(one.diff or "")
    why = without_repeats(one.asks for one in actions if one.asks)
    needs = terms(why, map(who, approval.request.needs))
    origin = origin_lines(approval.origin, approval.decider, approval.reasoning, indent=DEEPER)
    asked = asked_again(approval.again, indent=DEEPER)
    return [*lines, *more_actions(len(actions)), *origin, *asked, *needs, *_consents(approval, indent=DEEPER)]


def short_diff_lines(diff: str) -> list[Line]:
    """The beginning of a difference, and how much is left out."""
    lines = diff_lines(diff, indent=DEEPER + 4)
    more = len(lines) - SHOWN_DIFF
    if more <= 1:
        return lines
    return [*lines[:SHOWN_DIFF], line((f"and {more} more lines", Role.FAINT), indent=DEEPER + 4)]


def more_actions(total: int) -> list[Line]:
    """The number of actions that are not shown, of a list of `total`."""
    more = total - SHOWN_ACTIONS
    return [line((f"and {more} more", Role.FAINT), indent=DEEPER)] if more > 0 else []


def approval_lines(approval: ApprovalDetail) -> list[Line]:
    """What people are asked to approve: every action in order, who must agree, until when, and who has."""
    request, is_from_model = approval.request, approval.origin == MODEL
    lines: list[Line] = []
    for one in request.actions:
        params, refused = one_line(fields_text(one.params), 400), one.refused is not None
        reason = None if is_from_model else one.reason
        lines.append(action_line(one.n, one.module, one.host, params, is_refused=refused, reason=reason))
        if is_from_model:
            lines += model_text(one.reason, indent=DEEPER + 4)
        lines += _in_full(one.params, params, has_diff=bool(one.diff))
        lines += diff_lines(one.diff or "", indent=DEEPER + 4)
        if one.refused:
            lines.append(line((one_line(one.refused, 300), Role.WARNING), indent=DEEPER + 4))
    lines += origin_lines(approval.origin, approval.decider, approval.reasoning, indent=INDENT)
    lines += asked_again(approval.again, indent=INDENT)
    why = without_repeats(one.asks for one in request.actions if one.asks)
    lines += terms(why, map(who, request.needs), indent=INDENT)
    lines += _consents(approval, indent=INDENT)
    return lines


def _in_full(params: Mapping[str, Any], shown: str, *, has_diff: bool) -> list[Line]:
    """The parameters that one line does not show completely; of content, the difference is shown."""
    lines: list[Line] = []
    for name, value in params.items():
        text = value if isinstance(value, str) else value_text(value, LONGEST)
        if (has_diff and name == "content") or (text in shown and "\n" not in text):
            continue
        if len(text) <= SHORT_VALUE and "\n" not in text:
            continue
        lines.append(line((f"{one_line(name, 80)}, in full:", Role.FAINT), indent=DEEPER + 4))
        lines += [line(("| ", Role.FAINT), part, indent=DEEPER + 4) for part in clean(text[:LONGEST]).splitlines()]
        if len(text) > LONGEST:
            more = f"{len(text) - LONGEST} more characters: `ftl2ctl prompts --json` has them"
            lines.append(line((more, Role.WARNING), indent=DEEPER + 4))
    return lines


# --- who wants them ------------------------------------------------------------------------------------------------


def origin_lines(origin: str | None, decider: str | None, reasoning: str | None, *, indent: int) -> list[Line]:
    """Who wants the actions, and why; what a model writes is quoted, so that it cannot pass for other lines."""
    if origin is None:
        return []
    by = one_line(decider or "", 80)
    names = {
        MODEL: f"a model ({by})" if by else "a model",
        "manifest": "the manifest",
        "playbook": "a playbook",
        "rule": f"rule {by.removeprefix('rule:')}",
        "person": "an operator",
    }
    lines = [line(("origin: ", Role.FAINT), names.get(origin, one_line(origin, 80)), indent=indent)]
    if origin == MODEL:
        return [*lines, *model_text(reasoning, indent=indent)]
    return [*lines, *([line(("why: ", Role.FAINT), one_line(reasoning, 600), indent=indent)] if reasoning else [])]


def model_text(text: str | None, *, indent: int, title: str = "the model writes:") -> list[Line]:
    """What a model has written, marked as such in every line; nothing without a text.

    The lines are short, so that the terminal breaks none of them: the rest would have no mark.
    """
    import textwrap  # noqa: PLC0415 - few views need it

    whole = one_line(text or "", LONGEST_REASONING)
    if not whole:
        return []
    size = QUOTED if width(whole) == len(whole) else QUOTED // 2
    return [
        line((title, Role.FAINT), indent=indent),
        *(line(("> ", Role.FAINT), part, indent=indent) for part in textwrap.wrap(whole, size)),
    ]


# --- the people ----------------------------------------------------------------------------------------------------


def asked_again(why: str | None, *, indent: int) -> list[Line]:
    """Why people are asked although they were asked before; nothing if they were not."""
    return [line(("asked again: ", Role.WARNING), one_line(why, 300), indent=indent)] if why else []


def terms(why: Iterable[str], needs: Iterable[str], *, indent: int = DEEPER) -> list[Line]:
    """Why actions need an approval, and who must agree."""
    return [
        *(line(("policy: ", Role.FAINT), one_line(text, 300), indent=indent) for text in why if text),
        # Two rules may require the same people, each in its own time.
        *(line(("needs: ", Role.FAINT), one_line(text, 200), indent=indent) for text in dict.fromkeys(needs)),
    ]


def who(need: RequiredPeople) -> str:
    """The people that are required, as a part of a sentence."""
    parts = [f"{need.people} person{'' if need.people == 1 else 's'} with access to {need.by}"]
    if need.group:
        parts.append(f"of the group {one_line(need.group, 80)}")
    if need.not_requester:
        parts.append("not the requester")
    return ", ".join(parts)


def _consents(approval: ApprovalDetail, *, indent: int) -> list[Line]:
    """Who has agreed already."""
    is_void = approval.request.state in WITHOUT_EFFECT
    return [
        line(
            symbol("-", Role.FAINT) if is_void else symbol("✔", Role.GOOD),
            f"approved by {one_line(vote.name, 80)} at {moment(vote.given_at)}",
            (f": {one_line(vote.reason, 200)}" if vote.reason else "", Role.FAINT),
            indent=indent,
        )
        for vote in approval.votes
        if vote.approved
    ]


def consent(votes: Iterable[ShownVote], otherwise: str | None = None) -> str:
    """Who approved, with their reasons: `approved by ada (change 4711), bob`; `otherwise` if it is not known."""
    people = [
        one_line(vote.name, 80) + (f" ({one_line(vote.reason, 200)})" if vote.reason else "")
        for vote in votes
        if vote.approved
    ]
    return f"approved by {listed(people) or one_line(otherwise or 'an unknown person', 200)}"


def consequences() -> list[Line]:
    """The two answers to an approval, and what follows from each."""
    return [
        line((f"{APPROVE}: ", Role.ACCENT), THEN_EXECUTED, indent=INDENT),
        line((f"{REJECT}: ", Role.ACCENT), NOT_EXECUTED, indent=INDENT),
    ]


def decision_offers(reader: ViewReader, prompt_id: int, *, indent: int = DEEPER) -> list[Line]:
    """The commands that approve or reject all the actions of a prompt."""
    return [offer(reader, word, f"{word} {prompt_id}", indent=indent) for word in (APPROVE, REJECT)]


def decided(prompt: Prompt, approval: ApprovalDetail | None, *, when: str = "") -> Line:
    """The reply to a person who approved actions; `when` is what has to happen before the loop continues."""
    if approval is not None and approval.missing is not None:
        return line(symbol("✔", Role.GOOD), f"prompt {prompt.id}: approved; {approval.missing}")
    return line(symbol("✔", Role.GOOD), f"prompt {prompt.id}: approved; {f'{when}, ' if when else ''}{THEN_EXECUTED}")


def awaited(reader: ViewReader, loop: Loop, *, is_frozen: bool) -> str:
    """What has to happen before the loop can execute what was approved; empty if it continues at once."""
    if loop.desired in {Desired.PAUSE, Desired.STOP}:
        return f"after `{reader.command(f'resume {quoted(loop.name)}')}`"
    return "as far as the freeze permits" if is_frozen else ""


def rejected(reader: ViewReader, prompt: Prompt, loop: Loop) -> Line:
    """The reply to a person who rejected actions: when the loop asks about them again."""
    name = quoted(loop.name)
    then = f"the loop ends, and `{reader.command(f'retry {name}')}` asks again"
    if loop.mode is Mode.CONTINUOUS:
        then = f"it asks again when something changes, or after `{reader.command(f'run-now {name}')}`"
    return line(symbol("⊘", Role.WARNING), f"prompt {prompt.id}: rejected; {NOT_EXECUTED}; {then}")
