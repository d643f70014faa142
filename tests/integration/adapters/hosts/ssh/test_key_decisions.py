"""Which key of a real SSH host is accepted: that of its name, by the rules of ssh(1)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from tests.support.data.host_keys import ecdsa, ed25519
from tests.support.loops.permitted import call_of
from tests.support.processes import sshd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.ssh, pytest.mark.asyncio, pytest.mark.timeout(180)]
OTHER = ed25519(1).text


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    """Presents a certificate for the name `localhost`, of an authority whose key is in its folder."""
    folder = tmp_path_factory.mktemp("certified")
    sshd.make_key(folder / "authority")
    sshd.make_key(folder / "host_ed25519")
    sign = ["ssh-keygen", "-q", "-s", "authority", "-I", "host", "-h", "-n", "localhost", "host_ed25519.pub"]
    subprocess.run(sign, check=True, cwd=folder, capture_output=True)
    options = [f"HostCertificate {folder / 'host_ed25519-cert.pub'}"]
    try:
        with sshd.running(folder, tmp_path_factory.mktemp("home"), options=options) as started:
            yield started
    except sshd.CannotStart as error:
        pytest.skip(str(error))


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes `known_hosts` of the user who connects."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir(mode=0o700)

    def write(text: str) -> None:
        (tmp_path / ".ssh" / "known_hosts").write_text(text)

    return write


def key_of(server: sshd.Sshd, name: str = "host_ed25519") -> str:
    return " ".join((server.folder / f"{name}.pub").read_text().split()[:2])


async def error_of(server: sshd.Sshd, work: Path, address: str = "localhost") -> str | None:
    """The error of a call on the host with that address, whose keys are checked; None if it works."""
    inventory = Inventory()
    inventory.host("web").update(server.host_vars(ansible_host=address, disable_host_key_checking=False))
    modules = Ftl2Modules(inventory.settle(), work_dir=work, redact=lambda text: text, in_service=True)
    try:
        result = await modules.run(call_of(modules, "command", {"cmd": "true"}, host="web", timeout=60))
    finally:
        await modules.close()
    assert result.success is (result.error is None)
    return result.error


async def test_a_key_that_is_recorded_for_the_address_is_not_accepted_for_the_name(
    known: Callable[[str], None], server: sshd.Sshd, work: Path
) -> None:
    address = f"[127.0.0.1]:{server.port} {key_of(server)}\n127.0.0.1 {key_of(server)}\n"
    known(f"[localhost]:{server.port} {OTHER}\n{address}")
    error = await error_of(server, work)
    assert error is not None
    assert "(line 1)" in error
    assert f"`ftl2ctl hosts trust localhost --port {server.port} --replace`" in error
    known(address)
    error = await error_of(server, work)
    assert error is not None
    assert f"`ftl2ctl hosts trust localhost --port {server.port}`" in error
    assert await error_of(server, work, "127.0.0.1") is None


@pytest.mark.parametrize(
    "names",
    [
        "[localhost]:{port}", "localhost", "LocalHost", "[LOCALHOST]:{port}", "other,[localhost]:{port}", "local*",
        "!other,*", "[local*]:{port}",
    ],
)  # fmt: skip
async def test_a_name_is_known_in_every_form_of_the_file(
    known: Callable[[str], None], server: sshd.Sshd, work: Path, names: str
) -> None:
    known(f"broken line\n{names.format(port=server.port)} {key_of(server)}\n")
    assert await error_of(server, work) is None
    assert await error_of(server, work, "LOCALHOST") is None


@pytest.mark.parametrize("names", ["", "other,", "other,,other2", "!*localhost*,*", "[localhost]:1"])
async def test_a_line_about_other_names_is_not_used(
    known: Callable[[str], None], server: sshd.Sshd, work: Path, names: str
) -> None:
    known(f"{names} {key_of(server)}\n")
    assert "not in ~/.ssh/known_hosts" in (await error_of(server, work) or "")


async def test_hashed_names_are_known(
    known: Callable[[str], None], server: sshd.Sshd, work: Path, tmp_path: Path
) -> None:
    known(f"[localhost]:{server.port} {key_of(server)}\n")
    file = tmp_path / ".ssh" / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "localhost" not in file.read_text()
    assert await error_of(server, work) is None
    assert await error_of(server, work, "127.0.0.1") is not None


@pytest.mark.parametrize("revoked", ["*", "localhost", "[localhost]:{port}", "127.0.0.1", "[127.0.0.1]:{port}"])
async def test_a_revoked_key_is_refused_whatever_else_is_recorded(
    known: Callable[[str], None], server: sshd.Sshd, work: Path, revoked: str
) -> None:
    key = key_of(server)
    known(f"localhost {key}\n@revoked {revoked.format(port=server.port)} {key}\n")
    error = await error_of(server, work)
    assert error is not None
    assert error.startswith("cannot reach web (")
    assert "is revoked in ~/.ssh/known_hosts" in error
    assert "hosts trust" not in error


async def test_a_certificate_authority_is_trusted_for_its_names(
    known: Callable[[str], None], certified: sshd.Sshd, work: Path
) -> None:
    authority = key_of(certified, "authority")
    known(f"@cert-authority local* {authority}\n")
    # With the port, as in ssh(1), or without it.
    assert await error_of(certified, work) is None
    known(f"@cert-authority [localhost]:{certified.port} {authority}\n")
    assert await error_of(certified, work) is None
    for other in (f"@cert-authority other {authority}", f"@cert-authority 127.0.0.1 {authority}",
                  f"@cert-authority * {OTHER}", f"localhost {authority}"):  # fmt: skip
        known(f"{other}\n")
        error = await error_of(certified, work)
        assert error is not None, other
        assert error.startswith("cannot reach web ("), other
    known(f"@cert-authority * {authority}\n@revoked * {authority}\n")
    assert "revoked" in (await error_of(certified, work) or "")
    # The key alone, of a host that has a certificate, too.
    known(f"localhost {key_of(certified)}\n")
    assert await error_of(certified, work) is None


@pytest.mark.parametrize("is_valid", [True, False])
async def test_a_key_of_another_type_is_not_reported_as_a_lost_connection(
    known: Callable[[str], None], server: sshd.Sshd, work: Path, tmp_path: Path, *, is_valid: bool
) -> None:
    sshd.make_key(tmp_path / "other", "ecdsa")
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    known(f"# one\nlocalhost {other if is_valid else ecdsa(1).text}\n")
    error = await error_of(server, work)
    assert error == (
        f"cannot reach web ({server.user}@localhost:{server.port}): its ssh-ed25519 host key is not recorded, only"
        f" its ecdsa-sha2-nistp256 key in ~/.ssh/known_hosts of {server.user} (line 2): another machine may answer;"
        f" if the host has a new key, `ftl2ctl hosts trust localhost --port {server.port}` shows and records it"
    )


async def test_the_configuration_names_the_host_and_its_files(
    known: Callable[[str], None], server: sshd.Sshd, work: Path, tmp_path: Path
) -> None:
    known(f"[web.example.com]:{server.port} {key_of(server)}\n")
    config = tmp_path / ".ssh" / "config"
    config.write_text("Host w\n  HostName localhost\n  HostKeyAlias web.example.com\n")
    assert await error_of(server, work, "w") is None
    config.write_text("Host w\n  HostName localhost\n")
    error = await error_of(server, work, "w")
    assert f"`ftl2ctl hosts trust localhost --port {server.port}`" in (error or "")
    (tmp_path / "own").write_text(f"localhost {key_of(server)}\n")
    config.write_text(f"Host w\n  HostName localhost\n  UserKnownHostsFile {tmp_path}/none {tmp_path}/own\n")
    assert await error_of(server, work, "w") is None
    config.write_text(f"Host w\n  HostName localhost\n  GlobalKnownHostsFile {tmp_path}/own\n")
    assert await error_of(server, work, "w") is None


async def test_no_file_of_known_hosts_means_that_no_key_is_known(
    known: Callable[[str], None], server: sshd.Sshd, work: Path, tmp_path: Path
) -> None:
    known(f"localhost {key_of(server)}\n")
    (tmp_path / ".ssh" / "config").write_text("Host *\n  UserKnownHostsFile none\n")
    assert "host key is not" in (await error_of(server, work) or "")
