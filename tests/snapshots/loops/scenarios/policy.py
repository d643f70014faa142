"""Scenarios of policy: verdicts, rules in force, and tests of a site."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.approvals import RequiredPeople
from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyInForce, PolicyRuleLine
from ftl2_enterprise.render.loops import policy
from tests.snapshots.scenario import Scenario
from tests.support.data import awkward
from tests.support.data.builders import changed


def answer(ruling: str, reason: str = "", *, fence: str = "none", problem: str | None = None) -> PolicyAnswer:
    rule = 3 if reason else None
    return PolicyAnswer(
        host="web01", ruling=ruling, rule=rule, source=None, reason=reason, fence=fence, problem=problem
    )


ANSWERS = [
    answer("deny", "denied by policy rule 3 (10-base.yaml line 9): no shell in production"),
    answer("ask", "policy rule 3 (10-base.yaml line 9) asks for an approval"),
    answer("hold", "frozen by ada (uid 7): maintenance"),
    answer("preview"),
    answer("allow", fence="reading"),
    answer("allow", fence="check_mode"),
    answer("allow", fence="sandbox"),
    answer("refused", "cannot find the module nosuch", problem="cannot find the module nosuch"),
    changed(
        answer("ask", "approval is required by policy rule 3 (10-base.yaml line 9): The team decides."),
        needs=[RequiredPeople(people=2, group="network", expires=3600.0), RequiredPeople(by="administer")],
    ),
    changed(answer("allow"), rule=3, source="10-base.yaml line 9", revision="0123456789abcdef"),
    answer("deny", awkward.LONG + awkward.CONTROL),
]


def rule(decision: str, reason: str, needs: RequiredPeople | None = None, **match: str) -> PolicyRuleLine:
    return PolicyRuleLine(
        of="site", number=1, decision=decision, match=match, applies_to=["actions", "observations"], reason=reason,
        source="10-base.yaml line 3", needs=needs,
    )  # fmt: skip


IN_FORCE = PolicyInForce(
    rules=[
        rule("deny", "No shell.", module="shell", host="prod-*"),
        rule("ask", "", RequiredPeople(group="network", people=2, not_requester=True), module=awkward.CONTROL),
    ],
    revision="ab",
    defaults={"model": "ask", "rule": "deny"},
)
BROKEN = PolicyInForce(rules=[], revision="", problem="cannot use the policy 10-base.yaml line 3: it has no match")
RESULTS: list[tuple[str, str | None]] = [
    ("no shell", None),
    (awkward.LONG, "expected deny, and it is allow on web01: no rule matches"),
]

POLICY = [
    Scenario("verdicts", lambda _: policy.answer_lines(ANSWERS), has_colour=True),
    Scenario("rules in force", lambda _: policy.in_force_lines(IN_FORCE), has_colour=True),
    Scenario("no rules", lambda _: policy.in_force_lines(PolicyInForce(rules=[], revision=""))),
    Scenario("a site policy that cannot be used", lambda _: policy.in_force_lines(BROKEN)),
    Scenario("tests of a site", lambda _: policy.result_lines(RESULTS)),
]
