"""Policy as lines: verdicts about calls, the rules in force, and the results of a site's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.render.loops.approvals import who
from ftl2_enterprise.render.text import Line, Role, count, duration, line, one_line, symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.protocol.loops.approvals import RequiredPeople
    from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyInForce, PolicyRuleLine

ROLES = {
    "allow": Role.GOOD,
    "preview": Role.GOOD,
    "ask": Role.WARNING,
    "hold": Role.WARNING,
    "deny": Role.BAD,
    "refused": Role.BAD,
}
NOT_RUN = ("deny", "refused")
FENCES = {
    "reading": "it only reads",
    "check_mode": "it runs in check mode",
    "sandbox": "it runs in the read-only sandbox",
}


def answer_lines(answers: Sequence[PolicyAnswer]) -> list[Line]:
    """One line for each host: the ruling and the reason."""
    return [_answer(answer) for answer in answers]


def _answer(answer: PolicyAnswer) -> Line:
    held = f"it would wait: {answer.frozen}" if answer.frozen else ""
    parts = [
        answer.reason.removesuffix(".") if answer.needs else answer.reason or _rule_of(answer),
        "it is only shown, since the loop is a dry run" if answer.ruling == "preview" and not answer.reason else "",
        *(f"must agree: {who(need)}{_expiry(need)}" for need in answer.needs),
        "" if answer.ruling in NOT_RUN else FENCES.get(answer.fence, ""),
        _unresolved(answer.paths),
        held,
    ]
    return line(
        (f"{answer.ruling:<7}", ROLES[answer.ruling]), " ", (answer.host or "request to a model", Role.STRONG), ": ",
        one_line("; ".join(part for part in parts if part), 400),
    )  # fmt: skip


def _rule_of(answer: PolicyAnswer) -> str:
    if answer.rule is None:
        return "no rule matches"
    return f"rule {answer.rule} ({answer.source}, revision {(answer.revision or '')[:12]})"


def _unresolved(paths: Sequence[str]) -> str:
    if not paths:
        return ""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"before the call, the host resolves {paths[0]}{more}, and then the call is judged again"


def in_force_lines(policy: PolicyInForce) -> list[Line]:
    """The rules in order, and a problem of the site policy if there is one."""
    lines: list[Line] = []
    if policy.problem:
        lines.append(line(("the site policy cannot be used: ", Role.BAD), one_line(policy.problem, 400)))
        if not policy.rules:
            return [*lines, line("nothing has an effect until it is corrected and loaded")]
    for rule in policy.rules:
        lines.extend(_rule(rule))
    return [*lines, _defaults(policy), *warning_lines(policy.warnings)]


def warning_lines(warnings: Sequence[str]) -> list[Line]:
    """One line for each warning."""
    return [line(symbol("!", Role.WARNING), ("warning: ", Role.WARNING), one_line(text, 400)) for text in warnings]


def _defaults(policy: PolicyInForce) -> Line:
    given = ", ".join(f"{origin}: {decision}" for origin, decision in sorted(policy.defaults.items()))
    what = "other actions" if policy.rules else "no rules: actions"
    return line(f"{what} by origin: {given}; everything else is allowed" if given else f"{what} are allowed")


def _rule(rule: PolicyRuleLine) -> list[Line]:
    about = ", ".join(f"{key}: {value}" for key, value in rule.match.items())
    head = line(
        (f"{rule.decision:<6}", ROLES[rule.decision]), " ", one_line(about, 300), " ",
        (f"({rule.of} rule {rule.number}, {rule.source}, {' and '.join(rule.applies_to)})", Role.FAINT),
    )  # fmt: skip
    more = [f"must agree: {who(rule.needs)}{_expiry(rule.needs)}"] if rule.needs is not None else []
    return [head, *(line("       ", one_line(text, 300)) for text in (*more, rule.reason) if text)]


def _expiry(needs: RequiredPeople) -> str:
    return f", within {duration(needs.expires)}" if needs.expires is not None else ""


def result_lines(results: Sequence[tuple[str, str | None]]) -> list[Line]:
    """The result of each test, by title; None means that it passed. Then how many failed."""
    lines = [
        line(("ok    ", Role.GOOD), " ", one_line(title, 200))
        if difference is None
        else line(("failed", Role.BAD), " ", one_line(title, 200), ": ", one_line(difference, 400))
        for title, difference in results
    ]
    failed = sum(difference is not None for _, difference in results)
    lines.append(line(f"{count(len(results), 'test')}, {failed} failed"))
    return lines
