"""Hosts that are reached through jump hosts: two real sshd, of which one leads to the other."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.gate.permits import NotPermitted
from tests.support.data.host_keys import ed25519
from tests.support.loops.permitted import call_of
from tests.support.processes import sshd
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.ssh, pytest.mark.asyncio, pytest.mark.timeout(180)]
COMMON = "ansible_ssh_common_args"


class Servers(NamedTuple):
    bastion: sshd.Sshd
    target: sshd.Sshd


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as running:
        made: list[sshd.Sshd] = []
        for name in ("bastion", "target"):
            try:
                folder, home = tmp_path_factory.mktemp(name), tmp_path_factory.mktemp("home")
                made.append(running.enter_context(sshd.running(folder, home)))
            except sshd.CannotStart as error:
                pytest.skip(str(error))
        yield Servers(*made)


class User:
    """The user who connects, with the files in `~/.ssh`."""

    def __init__(self, home: Path, servers: Servers, work: Path) -> None:
        self.ssh = home / ".ssh"
        self.ssh.mkdir(mode=0o700)
        self.servers = servers
        self.work = work
        self.jump = f"{servers.bastion.user}@127.0.0.1:{servers.bastion.port}"
        self.configure("")
        self.know(servers.bastion, servers.target)

    def configure(self, text: str) -> None:
        """The configuration: this text, and the key for the bastion."""
        own = f"Match host 127.0.0.1,bastion\n  IdentityFile {self.servers.bastion.key}\n"
        (self.ssh / "config").write_text(f"{text}\n{own}")

    def know(self, *known: sshd.Sshd, more: str = "") -> None:
        lines = [f"[127.0.0.1]:{one.port} {key_of(one)}\n" for one in known]
        (self.ssh / "known_hosts").write_text("".join(lines) + more)

    def modules(self, **variables: Any) -> Ftl2Modules:
        inventory = Inventory()
        inventory.host("web").update(
            self.servers.target.host_vars(**{"disable_host_key_checking": False, **variables})
        )
        return Ftl2Modules(inventory.settle(), work_dir=self.work, redact=lambda text: text, in_service=True)

    async def error_of(self, **variables: Any) -> str | None:
        """Why a call failed; None if it did not."""
        own = self.modules(**variables)
        try:
            result = await own.run(call_of(own, "command", {"cmd": "true"}, host="web", timeout=60))
        finally:
            await own.close()
        assert result.success is (result.error is None)
        assert result.error is None or (result.error.startswith("cannot reach web (") and "\n" not in result.error)
        return result.error

    def logins(self) -> int:
        """How often someone has logged in on the bastion."""
        return (self.servers.bastion.folder / "log").read_text().count("Accepted publickey")


def key_of(server: sshd.Sshd) -> str:
    return " ".join((server.folder / "host_ed25519.pub").read_text().split()[:2])


@pytest.fixture
def user(tmp_path: Path, servers: Servers, work: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return User(tmp_path, servers, work)


@pytest.mark.parametrize("form", ["-J {}", "-o ProxyJump={}"])
async def test_a_host_is_reached_through_the_jump_host_of_the_inventory(user: User, form: str) -> None:
    before = user.logins()
    assert await user.error_of() is None
    assert user.logins() == before
    assert await user.error_of(**{COMMON: form.format(user.jump)}) is None
    assert user.logins() == before + 1


async def test_a_host_is_reached_through_the_jump_host_of_the_configuration(user: User) -> None:
    before = user.logins()
    bastion = f"Host bastion\n  HostName 127.0.0.1\n  Port {user.servers.bastion.port}\n"
    user.configure(f"{bastion}Host w\n  HostName 127.0.0.1\n  ProxyJump bastion\n")
    assert await user.error_of(ansible_host="w") is None
    assert user.logins() == before + 1
    assert await user.error_of(ansible_host="w", **{COMMON: "-J none"}) is None
    assert user.logins() == before + 1


async def test_several_jump_hosts_are_passed_in_their_order(user: User) -> None:
    before = user.logins()
    assert await user.error_of(**{COMMON: f"-J {user.jump},{user.jump}"}) is None
    assert user.logins() == before + 2


async def test_the_key_of_a_jump_host_is_checked_always(user: User) -> None:
    user.know(user.servers.target)
    port = user.servers.bastion.port
    for more in ({}, {"disable_host_key_checking": True}):
        error = await user.error_of(**{COMMON: f"-J {user.jump}", **more})
        assert error is not None
        assert error.endswith(
            f": its jump host {user.jump} cannot be used: its host key is not in ~/.ssh/known_hosts of"
            f" {user.servers.bastion.user}; `ftl2ctl hosts trust 127.0.0.1 --port {port}` shows and records it"
        )
    user.know(user.servers.target, more=f"[127.0.0.1]:{port} {ed25519(1).text}\n")
    error = await user.error_of(**{COMMON: f"-J {user.jump}"})
    assert "its host key is not the one that is recorded" in (error or "")


async def test_the_key_of_a_host_with_a_jump_host_is_checked_by_its_name(user: User) -> None:
    user.know(user.servers.bastion)
    error = await user.error_of(**{COMMON: f"-J {user.jump}"})
    target = user.servers.target
    assert error is not None
    assert error.endswith(
        f": its host key is not in ~/.ssh/known_hosts of {target.user}; `ssh -J {user.jump} -p {target.port}"
        f" {target.user}@127.0.0.1 true` as {target.user} shows and records it"
    )


async def test_what_fails_at_a_jump_host_is_one_sentence(user: User, tmp_path: Path) -> None:
    closed = sshd.free_port()
    assert (await user.error_of(**{COMMON: f"-J 127.0.0.1:{closed}"}) or "").endswith(
        f": its jump host 127.0.0.1:{closed} cannot be reached: the connection was refused"
    )
    error = await user.error_of(ansible_port=closed, **{COMMON: f"-J {user.jump}"})
    assert (error or "").endswith(f": its jump host {user.jump} cannot connect to it: Connection refused")
    sshd.make_key(tmp_path / "other")
    (user.ssh / "config").write_text(f"Host *\n  IdentityFile {tmp_path / 'other'}\n")
    error = await user.error_of(**{COMMON: f"-J {user.jump}"})
    assert (error or "").endswith(f": its jump host {user.jump} refuses the SSH keys of {user.servers.bastion.user}")
    user.configure("Host *\n  ProxyJump bastion\n")
    own = user.modules()
    try:
        result = await own.run(call_of(own, "command", {"cmd": "true"}, host="web", timeout=60))
    finally:
        await own.close()
    assert (result.error or "").startswith("cannot reach web: its ProxyJump in ")
    assert (result.error or "").endswith("leads back to bastion: give that host the line `ProxyJump none`")


async def test_no_connection_to_a_jump_host_is_left(user: User) -> None:
    own = user.modules(**{COMMON: f"-J {user.jump}"})
    try:
        assert (await own.run(call_of(own, "command", {"cmd": "true"}, host="web", timeout=60))).success
        assert connections(user.servers.bastion.port) == 1
    finally:
        await own.close()
    assert until(lambda: connections(user.servers.bastion.port) == 0)
    user.know(user.servers.bastion)
    assert await user.error_of(**{COMMON: f"-J {user.jump}"}) is not None
    assert until(lambda: connections(user.servers.bastion.port) == 0)


def connections(port: int) -> int:
    """Established connections to the port."""
    with open("/proc/net/tcp", encoding="ascii") as table:  # noqa: PTH123 - a file of the kernel
        rows = [row.split() for row in table.read().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


async def test_files_and_keys_of_the_arguments_are_used(user: User, tmp_path: Path) -> None:
    user.know(user.servers.bastion)
    (tmp_path / "own").write_text(f"[127.0.0.1]:{user.servers.target.port} {key_of(user.servers.target)}\n")
    assert await user.error_of(**{COMMON: f"-o UserKnownHostsFile={tmp_path}/own"}) is None
    error = await user.error_of(**{COMMON: "-o UserKnownHostsFile=/dev/null"})
    assert "its host key is not in /dev/null; compare it" in (error or "")
    # The file is about the host, not about the jump host.
    assert await user.error_of(**{COMMON: f"-J {user.jump} -o UserKnownHostsFile={tmp_path}/own"}) is None
    target = user.servers.target
    more = {"ansible_port": None, "ansible_user": None, "ansible_ssh_private_key_file": None}
    arguments = f"-p {target.port} -l {target.user} -i {target.key} -o UserKnownHostsFile={tmp_path}/own"
    assert await user.error_of(**more, **{COMMON: arguments}) is None


async def test_another_way_is_another_host_for_approvals(user: User) -> None:
    direct, through = user.modules(), user.modules(**{COMMON: f"-J {user.jump}"})
    one, other = (call_of(own, "command", {"cmd": "true"}, host="web") for own in (direct, through))
    assert (direct.identity("web").way, through.identity("web").way) == ((), (user.jump,))
    # The permit for one of them is not one for the other.
    with pytest.raises(NotPermitted):
        await through.run(msgspec.structs.replace(other, permit=one.permit))
    await direct.close()
    await through.close()
