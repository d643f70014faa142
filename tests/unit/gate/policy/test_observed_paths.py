"""Rules about paths that an observation reads."""

from __future__ import annotations

from typing import Any

import pytest

from ftl2_enterprise.gate.effects import Effect, EffectKind, Fence, Origin
from ftl2_enterprise.gate.judge import GateContext, judge, paths_to_resolve, with_paths
from ftl2_enterprise.gate.modules import canonical, fence_for
from ftl2_enterprise.gate.policy.types import AppliesTo, Policy, PolicyRule, RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling

EVERYTHING = frozenset({AppliesTo.ACTIONS, AppliesTo.OBSERVATIONS})


def rule(number: int, path: str, decision: RuleDecision = RuleDecision.DENY) -> PolicyRule:
    return PolicyRule(
        number=number, match={"param.path": path}, decision=decision, applies_to=EVERYTHING, reason="", source=""
    )


GATE = GateContext(policies=[Policy(rules=(rule(1, "/srv/secret/*"),))])


def effect(module: str, params: dict[str, Any], kind: EffectKind = EffectKind.OBSERVATION) -> Effect:
    fence = fence_for(module, params) if kind is EffectKind.OBSERVATION else None
    return Effect(
        kind=kind,
        origin=Origin.MODEL,
        subject="test:1",
        module=canonical(module),
        params=params,
        fence=fence or Fence.NONE,
    )


READING = [
    ("mount_facts", {"sources": ["/srv/secret/fstab"]}),
    ("mount_facts", {"sources": "static,/srv/secret/fstab"}),
    ("assemble", {"src": "/srv/secret", "dest": "/tmp/x"}),
    ("assemble", {"src": "/srv", "dest": "/tmp/x"}),
    ("assemble", {"src": "/srv/secret/parts", "dest": "/tmp/x"}),
    ("copy", {"src": "/srv/secret/x", "dest": "/tmp/x"}),
    ("template", {"src": "/srv/secret/x", "dest": "/tmp/x"}),
    ("file", {"src": "/srv/secret/x", "path": "/tmp/x", "state": "link"}),
]


@pytest.mark.parametrize(("module", "params"), READING)
def test_a_rule_is_about_what_an_observation_reads(module: str, params: dict[str, Any]) -> None:
    assert judge(effect(module, params), GATE).ruling is Ruling.DENY


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("mount_facts", {"sources": ["/srv/link"]}),
        ("assemble", {"src": "/srv/link", "dest": "/tmp/x"}),
        ("copy", {"src": "/srv/link", "dest": "/tmp/x"}),
    ],
)
def test_it_is_about_where_that_leads(module: str, params: dict[str, Any]) -> None:
    observation = effect(module, params)
    assert "/srv/link" in paths_to_resolve(observation, GATE)
    resolved = with_paths(observation, {"/srv/link": ["/srv/secret/x"]})
    assert judge(resolved, GATE).ruling is Ruling.DENY


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("mount_facts", {"sources": ["static", "/srv/other"]}),
        ("assemble", {"src": "/srv/other", "dest": "/tmp/x"}),
        ("copy", {"src": "/srv/other/x", "dest": "/tmp/x"}),
    ],
)
def test_it_is_not_about_other_paths(module: str, params: dict[str, Any]) -> None:
    assert judge(effect(module, params), GATE).ruling is not Ruling.DENY


@pytest.mark.parametrize("module", ["assemble", "copy", "template"])
def test_a_rule_about_written_paths_is_not_about_what_an_action_reads(module: str) -> None:
    action = effect(module, {"src": "/srv/secret/x", "dest": "/tmp/x"}, EffectKind.ACTION)
    assert judge(action, GATE).ruling is not Ruling.DENY


def test_a_rule_that_allows_has_to_cover_what_an_observation_reads() -> None:
    gate = GateContext(policies=[Policy(rules=(rule(1, "/tmp/*", RuleDecision.ALLOW), rule(2, "*")))])
    assert judge(effect("copy", {"src": "/etc/x", "dest": "/tmp/x"}), gate).ruling is Ruling.DENY
    assert judge(effect("copy", {"src": "/tmp/y", "dest": "/tmp/x"}), gate).ruling is not Ruling.DENY
