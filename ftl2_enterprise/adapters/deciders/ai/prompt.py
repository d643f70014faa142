"""The part of a decision prompt that depends on the situation. Pure: equal situations give equal texts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.ai import truncate
from ftl2_enterprise.adapters.deciders.ai.hints import hints
from ftl2_enterprise.adapters.deciders.ai.system_prompt import REPAIR
from ftl2_enterprise.core.shorten import shorten_middle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl2_enterprise.loops.ports import ObservationResult, PastIteration, Situation
    from ftl2_enterprise.protocol.loops.nouns import Action
    from ftl2_enterprise.protocol.text import StoredText

OBSERVATION_LIMIT = 8_000
"""Characters of one observation."""
STATE_LIMIT = 64_000
"""Characters of all observations."""
PAST_LIMIT = 24_000
"""Characters of earlier iterations."""
LIST_LIMIT = 12_000
"""Characters of each other list."""
STREAM_LIMIT = 1_500
"""Characters of the output of an earlier action, each of stdout and stderr."""
ANSWER_LIMIT = 8_000
"""Characters of a malformed answer that the repair request quotes."""


def decision_prompt(situation: Situation) -> str:
    """The prompt for one decision, with everything that it depends on."""
    sections = [
        f"<desired_state>\n{situation.desired_state.strip()}\n</desired_state>",
        _answers(situation),
        _list("hosts", _hosts(situation), "the inventory, in addition to localhost"),
        _list("resources", [{"name": one.name, "data": one.data} for one in situation.resources], "remembered"),
        _list("rules", _rules(situation), "the rules of this loop"),
        _list("unknown_actions", [_action(one) for one in situation.unknown], "in flight when the process died"),
        _list("earlier", [_past(one) for one in situation.past], "iterations of this run, oldest first", PAST_LIMIT),
        _observations(situation.seen),
        _list(
            "recorded_check", situation.check_unmet, "what your check of an earlier run expects and was not observed"
        ),
        "\n".join(["NOW", *(f"- {line}" for line in (_budget(situation), *hints(situation)))]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def repair_prompt(prompt: str, answer: str, faults: Sequence[str]) -> str:
    """The request again, with the faults of the first answer."""
    wrong = "\n".join(f"- {shorten_middle(fault, 1_000)}" for fault in faults[:20])
    shown = truncate.encode(shorten_middle(answer, ANSWER_LIMIT))
    return (
        f"{REPAIR}\nWhat was wrong:\n{wrong}\n\n<previous_answer>\n{shown}\n</previous_answer>\n\n"
        f"THE REQUEST\n\n{prompt}"
    )


def _budget(situation: Situation) -> str:
    n, of = situation.iteration, situation.max_iterations
    if n >= of:
        return f"This is iteration {n} of {of}, the last one: converge if it is proven, or do what matters most."
    if n > of // 2:
        return f"This is iteration {n} of {of}: use the {of - n} left wisely; act rather than observe."
    return f"This is iteration {n} of {of}: there is room to observe what you need before you act."


def _answers(situation: Situation) -> str:
    if not situation.answers:
        return ""
    pairs = [
        {
            "question": one.question,
            "answer": one.answer if one.answer is not None else "(no answer; choose the careful way)",
            **({"answered_by": one.answered_by} if one.answered_by else {}),
        }
        for one in situation.answers
    ]
    return _list("answers", pairs, "your questions so far, and the answers of people")


def _hosts(situation: Situation) -> list[dict[str, Any]]:
    facts = {host.name: host.facts for host in situation.hosts if host.facts}
    # Variables of the inventory are left out: they may contain passwords.
    listed = [
        _given(name=one.name, ansible_host=one.ansible_host, groups=list(one.groups), facts=facts.get(one.name))
        for one in situation.inventory
    ]
    known = {one.name for one in situation.inventory}
    return listed + [
        _given(name=host.name, ansible_host=host.ansible_host, groups=host.groups, facts=host.facts)
        for host in situation.hosts
        if host.name not in known
    ]


def _rules(situation: Situation) -> list[Mapping[str, Any]]:
    matched = set(situation.matched_rules)
    return [
        {"name": name, "does": does, **({"condition": "holds now"} if name in matched else {})}
        for name, does in situation.rules
    ]


def _past(past: PastIteration) -> Mapping[str, Any]:
    return _given(
        n=past.n,
        outcome=past.outcome,
        reasoning=shorten_middle(past.reasoning, 600),
        summary=_summary(past.actions),
        actions=[_action(one) for one in past.actions],
    )


def _summary(actions: Sequence[Action]) -> str:
    counts = Counter(str(one.state) for one in actions)
    changed = sum(one.changed is True for one in actions)
    return (
        ", ".join([*(f"{count} {state}" for state, count in counts.items()), f"{changed} changed"]) if actions else ""
    )


def _action(action: Action) -> Mapping[str, Any]:
    return _given(
        module=action.module,
        host=action.host,
        params=action.params,
        by=action.origin if action.origin != "decision" else None,
        state=str(action.state),
        changed=action.changed,
        rc=action.rc,
        error=action.error,
        stdout=_stream(action.stdout),
        stderr=_stream(action.stderr),
    )


def _stream(text: StoredText) -> str:
    shown = shorten_middle(text.shown, STREAM_LIMIT)
    return f"{shown}\n[{text.size:,} characters in all]" if text.size > len(text.shown) else shown


def _observations(seen: Sequence[ObservationResult]) -> str:
    if not seen:
        return (
            "<observations>\nNothing was observed yet: request in `observe` what you need to know.\n</observations>"
        )
    # Failed ones first: if something has to be left out, it must not be a failure.
    ordered = sorted(seen, key=lambda one: one.success)
    values = [
        _given(name=one.name, host=one.host, success=one.success, error=one.error) | {"result": one.result}
        for one in ordered
    ]
    lines, left_out = truncate.fit(values, each=OBSERVATION_LIMIT, whole=STATE_LIMIT)
    if left_out:
        names = sorted({one.name for one in ordered[len(lines) :]})
        lines.append(
            f"{left_out} further observations are left out for their size: {truncate.digest(names, 2_000)}."
            " Observe less at a time to see them."
        )
    return _section("observations", "observed in this iteration, before any new action", lines)


def _list(name: str, values: Iterable[Any], what: str, limit: int = LIST_LIMIT) -> str:
    listed = list(values)
    if not listed:
        return ""
    if name != "earlier":
        lines, left_out = truncate.fit(listed, each=limit // 3, whole=limit)
        if left_out:
            lines.append(f"{left_out} more are left out.")
    else:
        # The latest ones matter most: fill from the end.
        lines, left_out = truncate.fit(listed[::-1], each=limit // 2, whole=limit, least=limit // 10)
        lines = [*([f"{left_out} earlier ones are left out."] if left_out else []), *lines[::-1]]
    return _section(name, what, lines)


def _section(name: str, what: str, lines: Sequence[str]) -> str:
    return "\n".join([f"<{name}> ({what})", *lines, f"</{name}>"])


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "", [], {}, ())}
