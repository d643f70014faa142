"""A permit is for one effect, and only the gate makes one."""

from __future__ import annotations

import copy
import pickle
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import example, given, strategies as st
from msgspec.structs import replace

from ftl2_enterprise.gate import judge as gate
from ftl2_enterprise.gate.effects import Effect, EffectKind, Fence, HostIdentity, Origin
from ftl2_enterprise.gate.permits import NotPermitted, Permit

EFFECT = Effect(
    kind=EffectKind.ACTION,
    origin=Origin.MODEL,
    subject="loop:1",
    host=HostIdentity(name="web01", connection="ssh", address="192.0.2.1", port=22),
    module="copy",
    params={"dest": "/etc/motd", "content": "hello"},
)
OTHERS: dict[str, dict[str, Any]] = {
    "kind": {"kind": EffectKind.OBSERVATION},
    "origin": {"origin": Origin.PERSON},
    "subject": {"subject": "loop:2"},
    "host": {"host": HostIdentity(name="web02", connection="ssh", address="192.0.2.1", port=22)},
    "address": {"host": HostIdentity(name="web01", connection="ssh", address="192.0.2.2", port=22)},
    "port": {"host": HostIdentity(name="web01", connection="ssh", address="192.0.2.1", port=2222)},
    "way": {
        "host": HostIdentity(name="web01", connection="ssh", address="192.0.2.1", port=22, way=("ops@192.0.2.9:22",))
    },
    "connection": {"host": HostIdentity(name="web01")},
    "module": {"module": "file"},
    "params": {"params": {"dest": "/etc/motd", "content": "hello!"}},
    "type of a parameter": {"params": {"dest": "/etc/motd", "content": ["hello"]}},
    "privilege": {"privilege": "root"},
    "fence": {"fence": Fence.SANDBOX},
}


def permit_for(effect: Effect) -> Permit:
    permit = gate.judge(effect, gate.GateContext()).permit
    assert permit is not None
    return permit


def test_a_permit_covers_its_effect_and_the_order_of_parameters_does_not_matter() -> None:
    permit_for(EFFECT).require(replace(EFFECT, params={"content": "hello", "dest": "/etc/motd"}))


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_permit_covers_no_other_effect(other: dict[str, Any]) -> None:
    with pytest.raises(NotPermitted):
        permit_for(EFFECT).require(replace(EFFECT, **other))


def test_a_permit_for_a_call_compares_what_is_about_to_run() -> None:
    permit = permit_for(EFFECT)
    call = {name: getattr(EFFECT, name) for name in ("host", "module", "params", "privilege", "fence")}
    permit.require_call(**call)
    for name in call:
        other = next(values[name] for values in OTHERS.values() if name in values)
        with pytest.raises(NotPermitted):
            permit.require_call(**{**call, name: other})


@pytest.mark.parametrize("key", [None, object(), "key"])
def test_only_the_gate_makes_a_permit(key: object) -> None:
    with pytest.raises(NotPermitted):
        Permit(EFFECT, key=key)


def test_a_permit_is_neither_changed_nor_copied_into_messages() -> None:
    permit = permit_for(EFFECT)
    with pytest.raises(NotPermitted):
        cast("Any", permit).digest = "0" * 64
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(NotPermitted):
            copying(permit)
    assert "hello" not in repr(permit)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(values, values)
def test_different_parameters_have_different_digests(first: Any, second: Any) -> None:
    same = replace(EFFECT, params={"value": first}).digest() == replace(EFFECT, params={"value": second}).digest()
    assert same == (repr(_sorted(first)) == repr(_sorted(second)))


@example({1: "a", "1": "b"})
@given(st.dictionaries(st.none() | st.booleans() | st.integers() | st.text(max_size=3), values, max_size=4))
def test_a_digest_does_not_depend_on_the_order_of_parameters(params: Any) -> None:
    backwards = dict(reversed(params.items()))
    assert replace(EFFECT, params=params).digest() == replace(EFFECT, params=backwards).digest()
    assert replace(EFFECT, params=MappingProxyType(params)).digest() == replace(EFFECT, params=params).digest()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        return {name: _sorted(found[name]) for name in sorted(found)}
    return [_sorted(one) for one in cast("list[Any]", value)] if isinstance(value, list) else value
