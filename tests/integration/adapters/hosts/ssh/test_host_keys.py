"""Errors of calls on a real SSH host whose key is not trusted, and what makes it trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.protocol.loops.verbs import TrustHost
from ftl2_enterprise.wiring.loops import host_trust
from tests.support.data.host_keys import ed25519
from tests.support.loops.permitted import call_of

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.loops.ports import ModuleResult
    from ftl2_enterprise.protocol.loops.facts import HostTrusted
    from tests.support.processes import sshd

pytestmark = [pytest.mark.ssh, pytest.mark.asyncio, pytest.mark.timeout(180)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of the user who connects, with the directory for `known_hosts`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir(mode=0o700)
    return tmp_path


def modules(server: sshd.Sshd, work: Path, *, in_service: bool = False) -> Ftl2Modules:
    inventory = Inventory()
    inventory.host("new").update(server.host_vars(disable_host_key_checking=False))
    return Ftl2Modules(inventory.settle(), work_dir=work, redact=lambda text: text, in_service=in_service)


async def called(own: Ftl2Modules) -> ModuleResult:
    return await own.run(call_of(own, "command", {"cmd": "true"}, host="new", timeout=60))


async def error_of(server: sshd.Sshd, work: Path, *, in_service: bool) -> str:
    own = modules(server, work, in_service=in_service)
    try:
        result = await called(own)
    finally:
        await own.close()
    assert not result.success
    assert result.error is not None
    assert result.error.startswith(f"cannot reach new ({server.user}@127.0.0.1:{server.port}): ")
    assert "\n" not in result.error
    return result.error.partition("): ")[2]


def trust(server: sshd.Sshd, *, replace: bool = False) -> list[HostTrusted]:
    """Trust the key of the server; returns what is recorded in the event log."""
    facts: list[HostTrusted] = []
    key = " ".join((server.folder / "host_ed25519.pub").read_text().split()[:2])
    request = TrustHost(host="127.0.0.1", port=server.port, keys=[key], replace=replace)
    host_trust.trust(request, facts.extend)
    return facts


async def test_an_unknown_key_is_explained_for_the_service_and_for_a_person(
    home: Path, server: sshd.Sshd, work: Path
) -> None:
    unknown = f"its host key is not in ~/.ssh/known_hosts of {server.user}; "
    command = f"`ftl2ctl hosts trust 127.0.0.1 --port {server.port}`"
    assert await error_of(server, work, in_service=True) == f"{unknown}{command} shows and records it"
    by_hand = "compare it with that of the host, and record it there (ssh-keyscan prints the line)"
    assert await error_of(server, work, in_service=False) == unknown + by_hand


async def test_the_next_call_of_the_same_process_uses_a_key_that_was_trusted_since(
    home: Path, server: sshd.Sshd, work: Path
) -> None:
    own = modules(server, work)
    try:
        assert not (await called(own)).success
        (fact,) = trust(server)
        assert (fact.fingerprint, fact.replaced) == (server.fingerprint(), [])
        assert (await called(own)).success
    finally:
        await own.close()


@pytest.mark.parametrize("name", ["[127.0.0.1]:{port}", "127.0.0.1", "127.0.0.*"])
async def test_a_changed_key_is_another_error(home: Path, server: sshd.Sshd, work: Path, name: str) -> None:
    (home / ".ssh" / "known_hosts").write_text(f"# old\n{name.format(port=server.port)} {ed25519(1).text}\n")
    changed = f"its host key is not the one that is recorded in ~/.ssh/known_hosts of {server.user} (line 2): "
    text = await error_of(server, work, in_service=True)
    assert text == (
        f"{changed}another machine may answer; if the host has a new key, `ftl2ctl hosts trust 127.0.0.1 --port"
        f" {server.port} --replace` shows and records it"
    )
    assert (await error_of(server, work, in_service=False)).endswith("if the host has a new key, replace these lines")


async def test_a_replaced_key_is_used(home: Path, server: sshd.Sshd, work: Path) -> None:
    file = home / ".ssh" / "known_hosts"
    file.write_text(f"[127.0.0.1]:{server.port} {ed25519(1).text}\n")
    (fact,) = trust(server, replace=True)
    assert fact.replaced == [ed25519(1).fingerprint]
    assert ed25519(1).text not in file.read_text()
    own = modules(server, work)
    try:
        assert (await called(own)).success
    finally:
        await own.close()
