"""Requests to trust a host, as the service executes them: the address, the file, and the events."""

from __future__ import annotations

from getpass import getuser
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem, unavailable
from ftl2_enterprise.protocol.loops.verbs import FindHostKeys, TrustHost
from ftl2_enterprise.protocol.verb import Access
from ftl2_enterprise.wiring.loops import host_trust
from tests.support.data.host_keys import ecdsa, ed25519, rsa

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.facts import HostTrusted

OLD, NEW = ed25519(1), ed25519(2)
INVENTORY = """
web:
  hosts:
    web1: {ansible_host: 10.0.0.5, ansible_port: 2222}
    web2.example.com:
    here: {ansible_connection: local}
    odd: {ansible_host: "10.0.0.5,*"}
    port: {ansible_host: "10.0.0.5:2222"}
    inner: {ansible_host: 10.1.0.5, ansible_user: admin, ansible_ssh_common_args: -J ops@bastion}
    other: {ansible_ssh_common_args: -o UserKnownHostsFile=/etc/keys}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the user of this process."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / "hosts.yaml").write_text(INVENTORY)
    return tmp_path / ".ssh" / "known_hosts"


def trust(*keys: str, replace: bool = False) -> list[HostTrusted]:
    """The events of the request."""
    facts: list[HostTrusted] = []
    host_trust.trust(TrustHost(host="web", port=22, keys=list(keys), replace=replace), facts.extend)
    return facts


def test_only_administrators_trust_hosts_and_ask_about_keys() -> None:
    assert (TrustHost.access, FindHostKeys.access) == (Access.ADMINISTER, Access.ADMINISTER)


@pytest.mark.parametrize(
    ("name", "address"),
    [("web1", ("10.0.0.5", 2222)), ("WEB1", ("10.0.0.5", 2222)), ("web2.example.com", ("web2.example.com", 22))],
)
def test_the_inventory_has_the_address(file: Path, name: str, address: tuple[str, int]) -> None:
    found = host_trust.find(FindHostKeys(host=name, inventory=str(file.parent.parent / "hosts.yaml")))
    assert ((found.host, found.port), found.file, found.keys) == (address, str(file), [])


def test_recorded_keys_are_found(file: Path) -> None:
    file.write_text(f"# one\nweb {OLD.text}\n[web]:2222 {NEW.text}\n")
    assert [(key.line, key.fingerprint) for key in host_trust.find(FindHostKeys(host="web")).keys] == [
        (2, OLD.fingerprint)
    ]
    assert [key.line for key in host_trust.find(FindHostKeys(host="web", port=2222)).keys] == [3]


@pytest.mark.parametrize(
    ("host", "port", "code", "why"),
    [
        ("web", None, Code.INVALID, "cannot trust web: it is a group in "),
        ("unknown", None, Code.NOT_FOUND, "cannot find the host unknown: it is not in the inventory "),
        ("here", None, Code.INVALID, "cannot trust here: loops do not use SSH for this machine"),
        ("odd", None, Code.INVALID, "cannot use '10.0.0.5,*' as a host: it is neither a name nor"),
        ("port", None, Code.INVALID, "cannot use '10.0.0.5:2222' as a host: it contains a port"),
        ("web1", 22, Code.INVALID, "cannot use a port with an inventory"),
        ("inner", None, Code.INVALID, "cannot fetch the keys of inner: it is reached through ops@bastion"),
        ("other", None, Code.INVALID, "cannot trust other: its key is looked up in /etc/keys, as its UserKnown"),
    ],
)
def test_other_names_are_refused(file: Path, host: str, port: int | None, code: Code, why: str) -> None:
    with pytest.raises(Problem) as refused:
        host_trust.find(FindHostKeys(host=host, port=port, inventory=str(file.parent.parent / "hosts.yaml")))
    assert refused.value.message.startswith(why)
    assert refused.value.code is code
    assert refused.value.hint


def test_the_configuration_of_the_user_decides_where_a_name_leads(file: Path) -> None:
    config = file.parent / "config"
    config.write_text("Host w\n  HostName 10.0.0.7\nHost inner\n  ProxyJump bastion:2222\n")
    found = host_trust.find(FindHostKeys(host="w"))
    assert (found.host, found.port) == ("10.0.0.7", 22)
    with pytest.raises(
        Problem, match="cannot fetch the keys of inner: it is reached through bastion:2222"
    ) as refused:
        host_trust.find(FindHostKeys(host="inner", port=2200))
    assert refused.value.hint == (
        f"`ssh -J bastion:2222 -p 2200 inner true` as {getuser()} shows its key and records it in {file}"
    )
    inventory = file.parent.parent / "hosts.yaml"
    inventory.write_text("all: {hosts: {inner: {ansible_user: -oProxyCommand=x}}}")
    with pytest.raises(Problem) as refused:
        host_trust.find(FindHostKeys(host="inner", inventory=str(inventory)))
    assert "`ssh -J bastion:2222 -- -oProxyCommand=x@inner true`" in (refused.value.hint or "")
    config.write_text("Host inner\n  ProxyCommand nc %h %p\n")
    with pytest.raises(Problem, match="it is reached through a ProxyCommand"):
        host_trust.find(FindHostKeys(host="inner"))


def test_each_new_key_is_an_event(file: Path) -> None:
    file.write_text(f"web {OLD.text}\n")
    facts = trust(OLD.text, rsa(1).text, ecdsa(1).text)
    assert [(fact.host, fact.port, fact.key_type, fact.fingerprint, fact.replaced) for fact in facts] == [
        ("web", 22, key.type, key.fingerprint, []) for key in (rsa(1), ecdsa(1))
    ]
    assert trust(OLD.text) == []


def test_a_name_is_recorded_in_lower_case(file: Path) -> None:
    assert host_trust.find(FindHostKeys(host="Web.Example.COM")).host == "web.example.com"
    facts: list[HostTrusted] = []
    host_trust.trust(TrustHost(host="WEB", port=22, keys=[NEW.text]), facts.extend)
    assert file.read_text() == f"web {NEW.text}\n"
    assert [fact.host for fact in facts] == ["web"]
    host_trust.trust(TrustHost(host="Web", port=22, keys=[NEW.text]), facts.extend)
    assert len(facts) == 1


def test_a_replaced_key_is_in_the_event_of_the_new_one(file: Path) -> None:
    file.write_text(f"web {OLD.text}\n")
    facts = trust(NEW.text, rsa(1).text, replace=True)
    assert [(fact.fingerprint, fact.replaced) for fact in facts] == [
        (NEW.fingerprint, [OLD.fingerprint]), (rsa(1).fingerprint, []),
    ]  # fmt: skip
    # A second line of that type, which is removed although the key itself is recorded.
    file.write_text(f"web {OLD.text}\nweb {NEW.text}\n")
    (fact,) = trust(NEW.text, replace=True)
    assert (fact.fingerprint, fact.replaced) == (NEW.fingerprint, [OLD.fingerprint])


def test_without_its_event_a_key_is_not_recorded(file: Path) -> None:
    def fail(facts: list[HostTrusted]) -> None:
        assert facts
        raise unavailable("cannot write: the disk is full")

    file.write_text("# as before\n")
    with pytest.raises(Problem, match="the disk is full"):
        host_trust.trust(TrustHost(host="web", port=22, keys=[NEW.text]), fail)
    assert file.read_text() == "# as before\n"


def test_a_refused_request_has_no_event(file: Path) -> None:
    file.write_text(f"web {OLD.text}\n")
    facts: list[HostTrusted] = []
    with pytest.raises(Problem) as refused:
        host_trust.trust(TrustHost(host="web", port=22, keys=[rsa(1).text, NEW.text]), facts.extend)
    assert (refused.value.code, facts) == (Code.CONFLICT, [])
    assert file.read_text() == f"web {OLD.text}\n"
