"""State operations: what is refused, and what a new machine brings."""

from __future__ import annotations

from typing import Any

import pytest

from ftl2_enterprise.loops.engine.registry_ops import machine_ops, refusal, valid_ops
from ftl2_enterprise.protocol.loops.decision import StateOp


@pytest.mark.parametrize(
    ("op", "part"),
    [
        (StateOp(op="add_hots", name="a"), "did you mean add_host?"),
        (StateOp(op="explode", name="a"), "use add_resource, add_host, remove"),
        (StateOp(op="remove", name=" "), "is not a valid name"),
        (StateOp(op="remove", name="a\nb"), "is not a valid name"),
        (StateOp(op="add_resource", name="x" * 256), "is not a valid name"),
        (StateOp(op="add_host", name="all"), "the name is reserved"),
        (StateOp(op="add_host", name="localhost"), "the name is reserved"),
        (StateOp(op="add_host", name="a b"), "letters, digits"),
        (StateOp(op="add_host", name="-oProxyCommand=x"), "letters, digits"),
        (StateOp(op="add_host", name="a", ansible_host="-oProxyCommand=x"), "is not an address"),
        (StateOp(op="add_host", name="a", ansible_port=0), "0 is not a port"),
        (StateOp(op="add_host", name="a", ansible_port=65536), "65536 is not a port"),
        (StateOp(op="add_host", name="a", groups=["web", "x y"]), "'x y' is not a valid group name"),
    ],
)
def test_an_invalid_state_operation_is_refused_in_one_sentence(op: StateOp, part: str) -> None:
    why = refusal(op)
    assert why is not None
    assert why.startswith("cannot ")
    assert part in why
    assert "\n" not in why


@pytest.mark.parametrize(
    "op",
    [
        StateOp(op="add_resource", name="disk 1", data={"a": 1}),
        StateOp(op="add_host", name="web-01.example.org", ansible_host="192.0.2.1", ansible_port=22, groups=["web"]),
        StateOp(op="add_host", name="web01", ansible_host="2001:db8::1"),
        StateOp(op="add_host", name="v6", ansible_host="::1"),
        StateOp(op="remove", name="web01"),
    ],
)
def test_a_valid_state_operation_is_accepted(op: StateOp) -> None:
    assert refusal(op) is None


def test_valid_operations_keep_their_order_and_the_others_are_reported() -> None:
    ops = [StateOp(op="remove", name="a"), StateOp(op="x", name="b"), StateOp(op="add_resource", name="c")]
    good, refused = valid_ops(ops, users={})
    assert good == [ops[0], ops[2]]
    assert len(refused) == 1


def test_a_host_keeps_its_login_name() -> None:
    ops = [StateOp(op="add_host", name=name) for name in ("a", "b", "c")]
    ops.append(StateOp(op="add_host", name="a", ansible_user="me"))
    good, _ = valid_ops(ops, users={"a": "deploy", "b": None})
    assert [op.ansible_user for op in good] == ["deploy", "root", "root", "me"]


def test_a_created_machine_is_registered() -> None:
    result = {"changed": True, "instance": {"label": "web9", "ipv4": ["192.0.2.9", "10.0.0.9"], "id": 7}}
    host, resource = machine_ops("community.general.linode_v4", result, users={})
    assert (host.op, host.name, host.ansible_host, host.ansible_user) == ("add_host", "web9", "192.0.2.9", "root")
    assert host.data == {"made": True}
    assert (resource.op, resource.name) == ("add_resource", "web9")
    assert resource.data == {"provider": "linode_v4", "label": "web9", "ipv4": ["192.0.2.9", "10.0.0.9"]}
    assert machine_ops("x", result, users={"web9": "deploy"})[0].ansible_user == "deploy"


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"instance": None},
        {"instance": []},
        {"instance": {"label": "a"}},
        {"instance": {"label": "a", "ipv4": []}},
        {"instance": {"label": "a", "ipv4": ["not an address"]}},
        {"instance": {"label": 3, "ipv4": ["192.0.2.9"]}},
        {"instance": {"ipv4": ["192.0.2.9"]}},
        {"instance": {"label": "all", "ipv4": ["192.0.2.9"]}},
        {"failed": True, "instance": {"label": "a", "ipv4": ["192.0.2.9"]}},
        {"state": "absent", "instance": {"label": "a", "ipv4": ["192.0.2.9"]}},
    ],
)
def test_a_result_without_a_new_machine_is_not_registered(result: dict[str, Any]) -> None:
    assert machine_ops("linode_v4", result, users={}) == []
