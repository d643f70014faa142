"""The hosts that loops know."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.hosts import Host, HostState
from ftl2_enterprise.protocol.loops.replies import (
    HostLine,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListHosts,
)
from tests.support.data import builders


def test_hosts_with_addresses_and_facts(service, ctl):
    host = Host(
        id=1,
        loop_id=1,
        name="db1",
        ansible_host="10.0.0.1",
        ansible_port=2222,
        ansible_user="root",
        groups=["db"],
        facts={"system": "Linux"},
        state=HostState.KNOWN,
        created_at=builders.ago(10),
        updated_at=builders.ago(10),
    )
    service.on(ListHosts, [HostLine(host=host, loop="web")])
    out = ctl("hosts", "web")[1]
    assert all(text in out for text in ("db1", "root@10.0.0.1:2222", "system=Linux"))


def test_no_hosts(service, ctl):
    service.on(ListHosts, [])
    assert ctl("hosts")[1].startswith("no hosts: hosts are listed here when a loop creates or adds them")


def test_a_loop_whose_name_resembles_another_command_is_listed(service, ctl):
    service.on(ListHosts, [])
    for name in ("trusted", "t", "lists"):
        assert ctl("hosts", name)[0] == 0
    assert [request.loop for request in service.asked_for(ListHosts)] == ["trusted", "t", "lists"]
