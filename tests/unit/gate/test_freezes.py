"""What a freeze holds."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.gate import judge as gate
from ftl2_enterprise.gate.effects import Effect, EffectKind, HostIdentity, Origin
from ftl2_enterprise.gate.freezes import cutting, holding, holding_subject
from ftl2_enterprise.gate.policy.types import Policy, PolicyRule
from ftl2_enterprise.gate.verdicts import Ruling

WEB = HostIdentity(
    name="web1",
    connection="ssh",
    address="192.0.2.7",
    port=22,
    names=("front", "www"),
    others=(("twin", "group-of-twin"),),
    aliases=("here.example",),
)


def effect(kind: EffectKind = EffectKind.ACTION, *, subject: str = "loop:1", host: HostIdentity = WEB) -> Effect:
    return Effect(kind=kind, origin=Origin.MANIFEST, subject=subject, host=host, module="shell")


def freeze(
    scope: FreezeScope = FreezeScope.ALL, of: str = "", *, until: int | None = None, now: bool = False
) -> Freeze:
    return Freeze(id="1", scope=scope, of=of, reason="incident", by="ann (uid 1)", since=10, until=until, now=now)


@pytest.mark.parametrize("kind", EffectKind)
def test_a_freeze_of_everything_holds_every_kind_of_effect(kind: EffectKind) -> None:
    assert holding(effect(kind), [freeze()], 20) is not None


@pytest.mark.parametrize(
    ("scope", "of", "holds"),
    [
        (FreezeScope.SUBJECT, "loop:1", True),
        (FreezeScope.SUBJECT, "loop:2", False),
        (FreezeScope.SUBJECT, "loop:11", False),
        (FreezeScope.TARGET, "web1", True),
        (FreezeScope.TARGET, "WEB1", True),
        (FreezeScope.TARGET, "192.0.2.7", True),
        (FreezeScope.TARGET, "web1.", True),
        (FreezeScope.TARGET, "twin", True),
        (FreezeScope.TARGET, "group-of-twin", True),
        (FreezeScope.TARGET, "here.example", True),
        (FreezeScope.TARGET, "www", True),
        (FreezeScope.TARGET, "web", False),
        (FreezeScope.KIND, "action", True),
        (FreezeScope.KIND, "model_call", False),
    ],
)
def test_other_freezes_hold_what_they_name(scope: FreezeScope, of: str, *, holds: bool) -> None:
    assert (holding(effect(), [freeze(scope, of)], 20) is not None) is holds


@pytest.mark.parametrize("spelling", ["localhost", "127.0.0.1", "127.1", "0x7f000001", "0.0.0.0", "::1", "127.0.0.9"])
def test_every_spelling_of_a_loopback_address_is_this_machine(spelling: str) -> None:
    here = HostIdentity(aliases=("127.0.0.1", "::1", "localhost", "me"))
    assert holding(effect(host=here), [freeze(FreezeScope.TARGET, spelling)], 20) is not None
    assert holding(effect(), [freeze(FreezeScope.TARGET, spelling)], 20) is None


def test_addresses_are_compared_in_one_form() -> None:
    assert holding(effect(), [freeze(FreezeScope.TARGET, "0xC0.0.519")], 20) is not None
    assert holding(effect(), [freeze(FreezeScope.TARGET, "192.0.2.8")], 20) is None


def test_a_freeze_of_a_host_does_not_hold_requests_to_models() -> None:
    call = effect(EffectKind.MODEL_CALL, host=HostIdentity())
    assert holding(call, [freeze(FreezeScope.TARGET, "localhost")], 20) is None
    assert holding(call, [freeze(FreezeScope.KIND, "model_call")], 20) is not None


def test_it_ends_at_its_time() -> None:
    assert holding(effect(), [freeze(until=30)], 29) is not None
    assert holding(effect(), [freeze(until=30)], 30) is None


def test_only_a_freeze_that_asks_for_it_interrupts_what_runs() -> None:
    assert cutting(effect(), [freeze()], 20) is None
    assert cutting(effect(), [freeze(), freeze(now=True)], 20) == freeze(now=True)


def test_a_subject_is_held_whole_by_its_own_freeze_and_by_one_of_everything() -> None:
    assert holding_subject("loop:1", [freeze(FreezeScope.TARGET, "web1")], 20) is None
    assert holding_subject("loop:1", [freeze(FreezeScope.SUBJECT, "loop:2")], 20) is None
    assert holding_subject("loop:1", [freeze(FreezeScope.SUBJECT, "loop:1")], 20) is not None
    assert holding_subject("loop:1", [freeze()], 20) is not None
    assert holding_subject("loop:1", [freeze(until=20)], 20) is None


@pytest.mark.parametrize("kind", EffectKind)
def test_the_gate_holds_before_policy_and_dry_run(kind: EffectKind) -> None:
    denies = Policy(rules=(PolicyRule(number=1, match={"module": "*"}, reason="", source="p.yaml:1"),))
    context = gate.GateContext(policies=[denies], dry_run=True, freezes=[freeze()], now=20)
    verdict = gate.judge(effect(kind), context)
    assert (verdict.ruling, verdict.permit, verdict.freeze) == (Ruling.HOLD, None, freeze())
    assert verdict.reason == "frozen by ann since 1970-01-01 00:00:00Z: incident"


def test_the_gate_allows_when_the_freeze_has_ended() -> None:
    context = gate.GateContext(freezes=[freeze(until=30)], now=30)
    assert gate.judge(effect(), context).ruling is Ruling.ALLOW
