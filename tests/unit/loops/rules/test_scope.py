"""Which rules apply to a loop, and which hosts they may reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.loops.ports import HostEntry
from ftl2_enterprise.loops.rules.scope import RuleScope
from ftl2_enterprise.protocol.loops.rules import RuleBinding
from tests.support.loops.rules import scope

if TYPE_CHECKING:
    from ftl2_enterprise.gate.effects import HostIdentity

HOSTS = {"web01": ["web"], "web02": ["web"], "db01": ["data"]}


@pytest.mark.parametrize(
    ("binding", "applies"),
    [
        ({}, True),
        ({"loops": ["shop"]}, True),
        ({"loops": ["blog", "sh*"]}, True),
        ({"loops": ["blog"]}, False),
        ({"loops": ["Shop"]}, False),
        ({"labels": {"tier": ["web"]}}, True),
        ({"labels": {"tier": ["data", "w?b"]}}, True),
        ({"labels": {"tier": ["*"], "stage": ["prod"]}}, True),
        ({"labels": {"tier": ["web"], "stage": ["test"]}}, False),
        ({"labels": {"owner": ["*"]}}, False),
        ({"hosts": ["web01"]}, True),
        ({"hosts": ["data"]}, True),
        ({"hosts": ["mail", "DB*"]}, True),
        ({"hosts": ["mail"]}, False),
        ({"hosts": ["all"]}, True),
        ({"hosts": ["localhost"]}, True),
        ({"hosts": ["local*"]}, False),
        ({"loops": ["shop"], "labels": {"tier": ["web"]}, "hosts": ["web"]}, True),
        ({"loops": ["blog"], "labels": {"tier": ["web"]}, "hosts": ["web"]}, False),
        ({"loops": ["shop"], "labels": {"tier": ["data"]}, "hosts": ["web"]}, False),
        ({"loops": ["shop"], "labels": {"tier": ["web"]}, "hosts": ["mail"]}, False),
    ],
)
def test_everything_that_is_given_has_to_hold(binding: dict[str, Any], applies: bool) -> None:
    here = scope("shop", {"tier": "web", "stage": "prod"}, HOSTS)
    assert here.includes(RuleBinding(**binding)) is applies


@pytest.mark.parametrize(
    ("hosts", "reached"),
    [
        (None, ["web01", "web02", "db01"]),
        (["web"], ["web01", "web02"]),
        (["all"], ["web01", "web02", "db01"]),
        (["*01"], ["web01", "db01"]),
        (["localhost"], []),
    ],
)
def test_a_rule_reaches_its_hosts_only(hosts: list[str] | None, reached: list[str]) -> None:
    here, binding = scope(hosts=HOSTS), RuleBinding(hosts=hosts)
    assert [one.name for one in here.hosts(binding)] == reached
    assert [name for name in HOSTS if here.covers(binding, name)] == reached
    assert here.covers(binding, "localhost") is (hosts is None or "localhost" in hosts)


def test_without_an_inventory_this_machine_is_every_host() -> None:
    here = scope()
    for hosts, covered in ((["all"], True), (["local*"], True), (["localhost"], True), (["web"], False)):
        binding = RuleBinding(hosts=hosts)
        assert (here.includes(binding), here.covers(binding, "localhost")) == (covered, covered), hosts


def test_a_registered_host_is_what_else_has_its_address() -> None:
    """A loop names and groups it; under a name of its hosts, a rule must not reach another one of the inventory."""
    registered = [
        HostEntry(name="web98", ansible_host="db01", groups=("web",)),
        HostEntry(name="web99", ansible_host="192.0.2.9", groups=("web",)),
        HostEntry(name="web97", ansible_host="127.0.0.1", groups=("web",)),
    ]
    here = scope(hosts=HOSTS, registered=registered)
    binding = RuleBinding(hosts=["web"])
    assert [one.name for one in here.hosts(binding)] == ["web01", "web02", "web99"]
    assert not here.covers(binding, "web98")
    assert here.covers(RuleBinding(hosts=["web", "db01"]), "web98")


def test_identities_of_the_hosts_of_an_inventory_are_not_needed() -> None:
    """Finding one takes time in proportion to the inventory, and a rule may be bound to thousands of hosts."""
    here = scope(hosts=HOSTS)

    class WithoutIdentities:
        hosts = staticmethod(here.directory.hosts)

        def identity(self, name: str, /) -> HostIdentity:
            raise AssertionError(name)

    here = RuleScope(loop="web", labels={}, directory=WithoutIdentities())
    binding = RuleBinding(hosts=["web", "mail*"])
    assert here.includes(binding)
    assert [one.name for one in here.hosts(binding)] == ["web01", "web02"]
    assert here.covers(binding, "mail01")
