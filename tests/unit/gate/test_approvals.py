"""Approvals: who must agree, to what, until when."""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import pytest
from hypothesis import strategies as st
from msgspec.structs import replace as with_values

from ftl2_enterprise.gate.approvals import (
    Approval,
    ApprovalNeed,
    ApprovalTerms,
    Approver,
    ApproverAccess,
    Remediation,
    binding,
    describe,
    digest_of,
    distinct,
    is_complete,
    places_bound,
    shortest_expiry,
    why_not_allowed,
)
from ftl2_enterprise.gate.effects import Effect, EffectKind, Origin
from ftl2_enterprise.gate.judge import GateContext, judge, with_paths
from ftl2_enterprise.gate.policy.types import Policy, PolicyRule, RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling

SECOND = 1_000_000
ASKED, DEADLINE = 1000 * SECOND, 2000 * SECOND
EFFECTS, OBSERVATIONS = "e" * 64, "0" * 64
ALICE = Approver(uid=1001, name="alice", access=ApproverAccess.OPERATE, groups=frozenset({"ftl2", "dba"}))
BOB = Approver(uid=1002, name="bob", access=ApproverAccess.ADMINISTER, groups=frozenset({"ftl2"}))
VIEWER = Approver(uid=1003, name="vera")
TERMS = ApprovalTerms(
    needs=(ApprovalNeed(),),
    effects=EFFECTS,
    observations=OBSERVATIONS,
    asked_at=ASKED,
    deadline_at=DEADLINE,
    requester=1001,
)


def given(person, **changes):
    approval = Approval(approver=person, given_at=ASKED + SECOND, effects=EFFECTS, observations=OBSERVATIONS)
    return replace(approval, **changes)


BOB_AGREES = [given(BOB)]


def result(terms=TERMS, approvals=BOB_AGREES, *, now=ASKED + 2 * SECOND, effects=EFFECTS, seen=OBSERVATIONS):
    return is_complete(terms, approvals, now=now, effects=effects, observations=seen)


def need(**values):
    return replace(TERMS, needs=(ApprovalNeed(**values),))


def test_one_person_with_access_is_enough():
    assert result() is None
    assert result(approvals=[given(ALICE)]) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"effects": "f" * 64}, "the actions, their hosts, their secrets or where"),
        ({"effects": ""}, "the actions, their hosts, their secrets or where"),
        ({"seen": "1" * 64}, "the observations changed"),
        ({"now": DEADLINE}, "it expired"),
        ({"now": DEADLINE + SECOND}, "it expired"),
        ({"now": ASKED - SECOND}, "the clock was set back"),
        ({"now": ASKED}, "bob did not agree in time"),
        ({"approvals": []}, "it needs the approval of 1 person with access to operate"),
        ({"approvals": [given(VIEWER)]}, "it needs the approval of 1 person with"),
        ({"approvals": [given(BOB, effects="f" * 64)]}, "bob agreed to something else"),
        ({"approvals": [given(BOB, observations="1" * 64)]}, "bob agreed to something else"),
        ({"approvals": [given(BOB, given_at=DEADLINE)], "now": DEADLINE - 1}, "bob did not agree in time"),
        ({"approvals": [given(BOB, given_at=ASKED - 1)]}, "bob did not agree in time"),
        ({"terms": replace(TERMS, effects="", observations=""), "effects": "", "seen": ""}, "observations changed"),
        ({"terms": need(by=ApproverAccess.ADMINISTER), "approvals": [given(ALICE)]}, "access to administer"),
        ({"terms": need(group="dba")}, "of the group dba"),
        ({"terms": need(people=2)}, "1 more person"),
        ({"terms": need(people=2), "approvals": [given(BOB), given(BOB)]}, "1 more person"),
        ({"terms": need(not_requester=True), "approvals": [given(ALICE)]}, "not the requester"),
        ({"terms": replace(need(not_requester=True), requester=None)}, "not the requester"),
    ],
)
def test_what_is_no_approval(changes, why):
    assert why in (result(**changes) or "")


@pytest.mark.parametrize(
    ("terms", "approvals"),
    [
        (need(by=ApproverAccess.ADMINISTER), [given(BOB)]),
        (need(group="dba"), [given(ALICE)]),
        (need(people=2), [given(ALICE), given(BOB)]),
        (need(not_requester=True), [given(BOB), given(ALICE)]),
        (
            replace(TERMS, needs=(ApprovalNeed(group="dba"), ApprovalNeed(not_requester=True))),
            [given(ALICE), given(BOB)],
        ),
    ],
)
def test_what_is_an_approval(terms, approvals):
    assert result(terms, approvals) is None


def test_each_need_of_several_must_be_met():
    terms = replace(TERMS, needs=(ApprovalNeed(group="dba"), ApprovalNeed(by=ApproverAccess.ADMINISTER)))
    assert "administer" in (result(terms, [given(ALICE)]) or "")
    assert "dba" in (result(terms, [given(BOB)]) or "")


def test_whose_consent_counts_for_nothing():
    changed = replace(need(not_requester=True), requester=7, authors=frozenset({1001}))
    assert why_not_allowed(changed, ALICE) == "a person who wrote or changed the request cannot approve it"
    terms = need(not_requester=True, group="dba")
    assert why_not_allowed(TERMS, BOB) is None
    assert why_not_allowed(TERMS, VIEWER) == "it needs access to operate"
    assert why_not_allowed(terms, BOB) == "it needs a member of the group dba"
    assert why_not_allowed(terms, ALICE) == "the requester cannot approve it"


def test_the_binding_depends_on_every_effect_on_their_order_and_on_the_salt():
    one, two = "1" * 64, "2" * 64
    bindings = [
        binding(digests, salt)
        for digests, salt in [
            ([one, two], b"salt"), ([two, one], b"salt"), ([one], b"salt"), ([one, two, two], b"salt"), ([], b"salt"),
            ([one, two], b"other"),
        ]
    ]  # fmt: skip
    assert len(set(bindings)) == len(bindings)
    assert binding([one, two], b"salt") == bindings[0]


def test_digests_of_observations_differ_as_they_do():
    assert digest_of("a") != digest_of("b")


def test_words_about_needs():
    assert describe(ApprovalNeed()) == "1 person with access to operate"
    two = ApprovalNeed(people=2, group="dba", not_requester=True)
    assert describe(two) == "2 persons with access to operate, of the group dba, not the requester"
    assert distinct([two, ApprovalNeed(), two]) == (two, ApprovalNeed())


def test_the_shortest_time_counts():
    assert shortest_expiry([ApprovalNeed(expires=60.0), ApprovalNeed()], 30.0) == 30.0
    assert shortest_expiry([ApprovalNeed(expires=60.0), ApprovalNeed()], 90.0) == 60.0


def effect(**values):
    return Effect(
        **{"kind": EffectKind.ACTION, "origin": Origin.MANIFEST, "subject": "loop:1", "module": "file", **values}
    )


def test_remediation_decides_about_actions_that_policy_allows():
    one = effect(params={"path": "/a"})
    assert judge(one, GateContext()).ruling is Ruling.ALLOW
    asked = judge(one, GateContext(remediation=Remediation.ASK))
    assert asked.ruling is Ruling.ASK
    assert asked.permit is None
    assert asked.needs == (ApprovalNeed(),)
    never = judge(one, GateContext(remediation=Remediation.NEVER))
    assert never.ruling is Ruling.PREVIEW
    assert never.permit is None
    for kind in (EffectKind.OBSERVATION, EffectKind.STATE):
        for remediation in Remediation:
            assert judge(effect(kind=kind), GateContext(remediation=remediation)).ruling is Ruling.ALLOW


def test_a_dry_run_shows_who_would_have_to_agree():
    asked = PolicyRule(
        number=1, match={"module": "file"}, reason="two people", source="p.yml line 1", decision=RuleDecision.ASK,
        needs=ApprovalNeed(people=2),
    )  # fmt: skip
    context = GateContext(policies=(Policy(rules=(asked,)),), remediation=Remediation.ASK)
    asking = judge(effect(), context)
    previewed = judge(effect(), with_values(context, dry_run=True))
    assert asking.ruling is Ruling.ASK
    assert previewed == with_values(asking, ruling=Ruling.PREVIEW)
    assert "approval is required by policy rule 1 (p.yml line 1): two people" in previewed.reason
    assert previewed.needs == (ApprovalNeed(people=2), ApprovalNeed())


def test_a_dry_run_of_what_would_not_ask_needs_no_one():
    context = GateContext(dry_run=True)
    assert judge(effect(), context).needs == ()
    assert judge(effect(), with_values(context, remediation=Remediation.NEVER)).needs == ()
    assert judge(effect(), with_values(context, defaults={"manifest": RuleDecision.ASK})).reason == (
        "approval is required: the setting policy.defaults.manifest is `ask`"
    )


def test_exactly_the_approved_effects_are_allowed():
    one, other = effect(params={"path": "/a"}), effect(params={"path": "/b"})
    context = GateContext(remediation=Remediation.ASK, approved={one.digest(): {ApprovalNeed()}})
    assert judge(one, context).ruling is Ruling.ALLOW
    assert judge(other, context).ruling is Ruling.ASK
    assert judge(one, with_values(context, dry_run=True)).ruling is Ruling.PREVIEW
    assert judge(one, with_values(context, remediation=Remediation.NEVER)).ruling is Ruling.PREVIEW


def asking(number=1, match=None, **need):
    return PolicyRule(
        number=number, match=match or {"module": "copy"}, reason="", source="p.yaml line 1",
        decision=RuleDecision.ASK, needs=ApprovalNeed(**need),
    )  # fmt: skip


def test_of_several_policies_that_ask_each_states_who_must_agree():
    site = Policy(rules=(asking(),), is_site=True)
    loop = Policy(rules=(asking(by=ApproverAccess.ADMINISTER, people=2),))
    one = effect(module="copy", params={"dest": "/srv/x"})
    context = GateContext(policies=(site, loop), defaults={"manifest": RuleDecision.ASK})
    verdict = judge(one, context)
    assert verdict.needs == (ApprovalNeed(), ApprovalNeed(by=ApproverAccess.ADMINISTER, people=2))
    assert verdict.reason.count("approval is required by") == 2
    assert judge(one, with_values(context, approved={one.digest(): {ApprovalNeed()}})).ruling is Ruling.ASK
    assert judge(one, with_values(context, approved={one.digest(): set(verdict.needs)})).ruling is Ruling.ALLOW
    # Also next to the default, where the site has no rule about it.
    assert judge(one, with_values(context, policies=(loop,))).needs == (verdict.needs[1], verdict.needs[0])


ruled = st.lists(st.tuples(st.sampled_from(RuleDecision), st.integers(1, 4)), max_size=3)


@hypothesis.given(ruled, ruled, st.sampled_from(RuleDecision))
def test_another_policy_takes_no_person_away(site, loop, default):
    def policy(rules, **values):
        made = (replace(asking(n, people=people), decision=of) for n, (of, people) in enumerate(rules, 1))
        return Policy(rules=tuple(made), **values)

    one = effect(module="copy", params={"dest": "/srv/x"})
    context = GateContext(policies=(policy(site, is_site=True),), defaults={"manifest": default})
    both = judge(one, with_values(context, policies=(*context.policies, policy(loop))))
    for alone in (judge(one, context), judge(one, GateContext(policies=(policy(loop),)))):
        assert both.ruling is not Ruling.ALLOW or alone.ruling is Ruling.ALLOW
        assert both.ruling is Ruling.DENY or set(alone.needs) <= set(both.needs)


def test_an_approval_counts_only_for_what_was_required_of_the_people():
    asked = PolicyRule(
        number=1, match={"param.path": "/etc/*"}, reason="", source="", decision=RuleDecision.ASK,
        needs=ApprovalNeed(people=2),
    )  # fmt: skip
    one = effect(module="copy", params={"dest": "/link/x"})
    context = GateContext(
        policies=(Policy(rules=(asked,)),), remediation=Remediation.ASK, approved={one.digest(): {ApprovalNeed()}}
    )
    assert judge(one, context).ruling is Ruling.ALLOW
    leads = with_paths(one, {"/link/x": ("/etc/x",)})
    verdict = judge(leads, context)
    assert (verdict.ruling, verdict.permit) == (Ruling.ASK, None)
    both = {one.digest(): {ApprovalNeed(), ApprovalNeed(people=2)}}
    assert judge(leads, with_values(context, approved=both)).ruling is Ruling.ALLOW


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("/etc/mtab", "/proc/100/mounts", "/proc/2000/mounts"),
        ("/dev/stderr", "/proc/100/fd/pipe:[55]", "/proc/7/fd/pipe:[66]"),
        ("/link", "/srv/app", "/srv/app/"),
    ],
)
def test_what_differs_each_time_is_no_other_place(path, one, other):
    salt = b"s" * 16
    bound = places_bound({path: (one,)}, salt)
    assert bound == places_bound({path: (other,)}, salt)
    assert bound not in ("", places_bound({path: ("/elsewhere",)}, salt), places_bound({path: (one,)}, b"t" * 16))


def test_paths_that_lead_nowhere_else_bind_nothing():
    assert places_bound({"/a": ("/a/",), "/b/": ("/b",), "/c": ()}, b"s" * 16) == ""
