"""Queries and writes of hosts, their facts, and resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.loops.rows import (
    hosts as host_rows,
)
from ftl2_enterprise.protocol.loops.hosts import HostState
from tests.support.data.database import started_loop

if TYPE_CHECKING:
    from ftl2_enterprise.store.database import Store


def test_registering_a_host_again_keeps_its_facts(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        made = host_rows.upsert_host(tx, loop.id, "web1", ansible_host="10.0.0.1", groups=["web"])
        host_rows.set_host_facts(tx, loop.id, "web1", {"os": "debian"})
    with db.write() as tx:
        again = host_rows.upsert_host(tx, loop.id, "web1", ansible_host="10.0.0.2", ansible_port=2222)
    assert (again.id, again.created_at, again.facts) == (made.id, made.created_at, {"os": "debian"})
    assert (again.ansible_host, again.ansible_port, again.groups) == ("10.0.0.2", 2222, [])
    assert again.updated_at == tx.now > made.updated_at


def test_facts_of_an_inventory_host_are_merged(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        host_rows.set_host_facts(tx, loop.id, "db1", {"os": "fedora"})
        host_rows.set_host_facts(tx, loop.id, "db1", {"os": "debian"})
        (host,) = host_rows.get_hosts(tx, loop.id)
        assert (host.state, host.facts) == (HostState.KNOWN, {"os": "debian"})
        registered = host_rows.upsert_host(tx, loop.id, "db1")
        assert (registered.state, registered.facts) == (HostState.REGISTERED, {"os": "debian"})
        assert host_rows.remove_host(tx, loop.id, "db1")
        assert not host_rows.remove_host(tx, loop.id, "db1")
        assert host_rows.get_hosts(tx, loop.id) == []


def test_resources_are_added_changed_and_removed(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        other, _ = started_loop(tx, "other")
        first = host_rows.upsert_resource(tx, loop.id, "disk", {"size": 1})
        host_rows.upsert_resource(tx, other.id, "disk", {"size": 9})
    with db.write() as tx:
        second = host_rows.upsert_resource(tx, loop.id, "disk", {"size": 2})
        assert (second.id, second.created_at, second.data) == (first.id, first.created_at, {"size": 2})
        assert host_rows.remove_resource(tx, loop.id, "disk")
        assert not host_rows.remove_resource(tx, loop.id, "disk")
        assert [each.data for each in host_rows.get_resources(tx, other.id)] == [{"size": 9}]
