"""Relative words are also compared below the directories to which a command line changes, however it does that."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core import addresses
from ftl2_enterprise.gate.approvals import Remediation
from ftl2_enterprise.gate.effects import Effect, EffectKind, HostIdentity, Origin
from ftl2_enterprise.gate.judge import GateContext, judge, paths_to_resolve
from ftl2_enterprise.gate.policy.types import Policy, PolicyRule, RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling

RULE = PolicyRule(number=1, match={"param.path": "/srv/secret/*"}, decision=RuleDecision.DENY, reason="", source="x")
GATE = GateContext(policies=(Policy(rules=(RULE,)),))


def effect(cmd: str) -> Effect:
    return Effect(
        kind=EffectKind.ACTION,
        origin=Origin.MANIFEST,
        subject="loop:1",
        host=HostIdentity(name="web"),
        module="shell",
        params={"cmd": cmd},
    )


def ruling(cmd: str) -> Ruling:
    return judge(effect(cmd), GATE).ruling


@pytest.mark.parametrize(
    "cmd",
    [
        "cd /srv/other; touch ../secret/x",
        "cd -- /srv/other; touch ../secret/x",
        "cd -P /srv/other && touch ../secret/x",
        "cd -L -P /srv/other && touch ../secret/x",
        "cd 2>&1 /srv/other; touch ../secret/x",
        "cd </dev/null /srv/other; touch ../secret/x",
        "cd < /dev/null /srv/other; touch ../secret/x",
        "pushd -n /srv/other; touch ../secret/x",
        "env --chdir=/srv/other touch ../secret/x",
        "env --chdir /srv/other touch ../secret/x",
        "env -C/srv/other touch ../secret/x",
        "env -C /srv/other touch ../secret/x",
        "unshare --wd=/srv/other touch ../secret/x",
        "HOME=/srv/other; cd; touch ../secret/x",
        "CDPATH=/srv; cd other; touch ../secret/x",
        "(cd -- /srv/other; touch ../secret/x)",
        "find /usr -execdir touch ../srv/secret/x ';'",
        "cd /srv/other; cp f -t../secret/x",
        "cd /srv/other; tar -xfx -C../secret/x",
        "cd /srv/other; sed -n w../secret/f x",
        "cd /srv/other; sed 's/a/b/w../secret/f' x",
        "cd /srv; cp f -tsecret/x",
    ],
)
def test_a_relative_word_is_found_below_them(cmd: str) -> None:
    assert ruling(cmd) is Ruling.DENY


@pytest.mark.parametrize(
    "cmd",
    [
        "cd; touch ../srv/secret/x",
        "cd && touch ../srv/secret/x",
        "cd\ntouch ../srv/secret/x",
        "su -c 'touch ../srv/secret/x' -",
        "runuser -l web -c 'touch ../srv/secret/x'",
    ],
)
def test_the_directory_of_the_user_is_resolved_on_the_host(cmd: str) -> None:
    assert "~/../srv/secret/x" in paths_to_resolve(effect(cmd), GATE)


@pytest.mark.parametrize("cmd", ["cd -- /srv/other; touch x", "cd /usr; make -C/usr/src x", "env -C/tmp touch x"])
def test_a_word_that_leads_elsewhere_is_not(cmd: str) -> None:
    assert ruling(cmd) is Ruling.ALLOW


@pytest.mark.parametrize("text", ["\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "127\uff0e0\uff0e0\uff0e1"])
def test_an_address_in_characters_of_another_width_is_the_same(text: str) -> None:
    assert addresses.normal(text) == "127.0.0.1"
    assert addresses.normal("\uff2c\uff2f\uff23\uff21\uff2c\uff28\uff2f\uff33\uff34") == "localhost"


def test_reasons_are_joined_without_the_stops_at_their_ends() -> None:
    rule = PolicyRule(
        number=1, match={"module": "shell"}, decision=RuleDecision.ASK, reason="The team decides.", source="x"
    )
    found = judge(effect("id"), GateContext(policies=(Policy(rules=(rule,)),), remediation=Remediation.ASK))
    assert found.reason.endswith("The team decides; remediation is `ask`")
