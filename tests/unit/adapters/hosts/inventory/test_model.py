from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.ports import HostEntry

if TYPE_CHECKING:
    from pathlib import Path


def nested() -> Inventory:
    inventory = Inventory()
    for name in ("db1", "web1", "web2", "lonely"):
        inventory.host(name)
    inventory.group("all").vars.update(level="all", only_all=1)
    inventory.group("site").children.update({"web": None, "db": None})
    inventory.group("site").vars.update(level="site", ansible_user="deploy")
    inventory.group("web").members.update({"web1": None, "web2": None})
    inventory.group("web").vars.update(level="web", ansible_port=2222)
    inventory.group("db").members.update({"db1": None, "web1": None})
    inventory.host("web2")["level"] = "host"
    return inventory.settle()


def test_groups_expand_through_children_without_repeats() -> None:
    assert nested().expand("site") == ["web1", "web2", "db1"]


def test_all_is_every_host_once() -> None:
    assert nested().expand("all") == ["db1", "web1", "web2", "lonely"]


def test_ungrouped_contains_the_hosts_without_a_group() -> None:
    assert nested().expand("ungrouped") == ["lonely"]


def test_a_host_expands_to_itself_and_localhost_always_exists() -> None:
    assert nested().expand("web1") == ["web1"]
    assert nested().expand("localhost") == ["localhost"]


def test_an_unknown_target_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(Problem) as caught:
        nested().expand("web11")
    assert caught.value.code is Code.NOT_FOUND
    assert "web11" in caught.value.message
    assert caught.value.hint == "did you mean web1?"


def test_an_empty_group_is_refused() -> None:
    inventory = nested()
    inventory.group("empty").children["nothing"] = None
    inventory.group("nothing")
    with pytest.raises(Problem) as caught:
        inventory.expand("empty")
    assert caught.value.code is Code.INVALID


def test_variables_of_the_nearest_group_win() -> None:
    inventory = nested()
    web1, web2, lonely = (inventory.entry(name) for name in ("web1", "web2", "lonely"))
    assert web1 is not None
    assert web2 is not None
    assert lonely is not None
    assert (web1.vars["level"], web2.vars["level"], lonely.vars["level"]) == ("web", "host", "all")
    assert web1.vars["only_all"] == 1
    assert (web1.ansible_user, web1.ansible_port) == ("deploy", 2222)
    assert lonely.ansible_port is None


def test_groups_of_a_host_include_those_that_hold_its_groups() -> None:
    assert set(nested().groups_of("web1")) == {"site", "web", "db"}


def test_a_host_can_be_added_replaced_and_removed() -> None:
    inventory = nested()
    inventory.add(HostEntry(name="new", ansible_host="10.0.0.9", groups=("web",)))
    assert inventory.expand("web") == ["web1", "web2", "new"]
    added = inventory.entry("new")
    assert added is not None
    assert (added.ansible_host, added.ansible_port, added.vars["level"]) == ("10.0.0.9", 2222, "web")
    inventory.add(HostEntry(name="new", ansible_host="10.0.0.10", groups=("fresh",)))
    assert inventory.expand("web") == ["web1", "web2"]
    assert inventory.expand("fresh") == ["new"]
    inventory.remove("new")
    inventory.remove("never-was")
    with pytest.raises(Problem):
        inventory.expand("new")


def test_an_invalid_port_is_refused() -> None:
    inventory = Inventory()
    inventory.host("h")["ansible_port"] = "99999"
    with pytest.raises(Problem, match="not a port"):
        inventory.settle()


def test_an_address_that_is_a_template_is_refused() -> None:
    inventory = Inventory()
    inventory.host("h")["ansible_host"] = "{{ prefix }}.example"
    with pytest.raises(Problem, match="template"):
        inventory.settle()


def test_hosts_that_are_this_machine_have_its_names_and_addresses() -> None:
    inventory = Inventory()
    inventory.host("near")["ansible_connection"] = "local"
    inventory.host("loop")["ansible_host"] = "127.0.0.2"
    inventory.host("far")["ansible_host"] = "192.0.2.1"
    inventory.settle()
    here = {"localhost", "127.0.0.1", "::1", socket.gethostname().lower()}
    for name in ("near", "loop", "localhost"):
        assert here <= set(inventory.identity(name).every_name), name
    assert here.isdisjoint(inventory.identity("far").every_name)


def test_a_name_of_the_ssh_configuration_is_the_host_that_it_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    inventory = Inventory()
    inventory.host("web")["ansible_host"] = "10.9.8.7"
    inventory.settle()
    other, here = HostEntry(name="other", ansible_host="w1"), HostEntry(name="here", ansible_host="me")
    assert "web" not in inventory.identity_of(other).every_name
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host w?\n  HostName 10.9.8.7\nHost me\n  HostName 127.1\n")
    assert {"web", "10.9.8.7"} <= set(inventory.identity_of(other).every_name)
    assert "localhost" in inventory.identity_of(here).every_name
    (tmp_path / ".ssh" / "config").write_text("Host w?\n  HostName 10.9.8.70\n")
    assert inventory.identity_of(other).address == "10.9.8.70"
    (tmp_path / ".ssh" / "config").write_text("Match nonsense\n  HostName 10.9.8.7\n")
    assert inventory.identity_of(other).address == "w1"


def test_the_way_to_a_host_is_a_part_of_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    config = tmp_path / ".ssh" / "config"
    inventory = Inventory()
    for name, arguments in (("direct", ""), ("given", "-J ops@b:2222"), ("none", "-J none")):
        inventory.host(name).update(ansible_host="10.9.8.7", ansible_ssh_common_args=arguments)
    inventory.settle()

    def ways() -> list[tuple[str, ...]]:
        return [inventory.identity(name).way for name in ("direct", "given", "none")]

    assert ways() == [(), ("ops@b:2222",), ()]
    config.write_text("Host 10.9.8.7\n  ProxyJump a\nHost a\n  HostName 10.0.0.1\n  User jo\n  Port 23\n")
    assert ways() == [("jo@10.0.0.1:23",), ("ops@b:2222",), ()]
    config.write_text("Host 10.9.8.7\n  ProxyCommand nc %h %p\n")
    assert ways() == [("ProxyCommand nc 10.9.8.7 22",), ("ops@b:2222",), ()]
    config.write_text("Host *\n  ProxyJump a\n")
    assert "leads back to a" in ways()[0][0]


def test_the_loopback_address_seen_from_a_jump_host_is_the_jump_host() -> None:
    inventory = Inventory()
    inventory.host("bastion").update(ansible_host="10.0.0.1")
    inventory.host("inner").update(ansible_host="127.0.0.1", ansible_ssh_common_args="-J ops@10.0.0.1")
    inventory.host("here").update(ansible_host="127.0.0.1", ansible_ssh_common_args="-J 127.0.0.1")
    inventory.settle()
    assert "bastion" in inventory.identity("inner").every_name
    assert "inner" in inventory.identity("bastion").every_name
    assert "localhost" not in inventory.identity("inner").every_name
    assert "localhost" in inventory.identity("here").every_name


def test_an_identity_is_that_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    inventory = Inventory()
    inventory.host("web")["ansible_host"] = "10.9.8.7"
    inventory.host("alias")["ansible_host"] = "w1"
    inventory.settle()

    def names() -> set[str]:
        return {"alias", "added"} & set(inventory.identity("web").every_name)

    assert names() == set()
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host w1\n  HostName 10.9.8.7\n")
    assert names() == {"alias"}
    inventory.add(HostEntry(name="added", ansible_host="10.9.8.7"))
    assert names() == {"alias", "added"}
    inventory.add(HostEntry(name="added", ansible_host="10.9.8.8"))
    assert names() == {"alias"}
    inventory.add(HostEntry(name="added", ansible_host="10.9.8.7"))
    inventory.remove("added")
    assert names() == {"alias"}
    (tmp_path / ".ssh" / "config").unlink()
    assert names() == set()
