"""A throw-away sshd on 127.0.0.1 for tests: its own keys, a high port, the user who runs the tests."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

START_LIMIT = 10.0


class CannotStart(Exception):
    """Why there is no sshd here, as a sentence."""


@dataclass(frozen=True)
class Sshd:
    """Where it listens and which key opens it."""

    port: int
    key: Path
    pid: int
    folder: Path
    """Has its configuration and its host keys, `host_ed25519` and so on."""
    user: str = field(default_factory=getpass.getuser)

    def fingerprint(self, key_type: str = "ed25519") -> str:
        """The fingerprint of its host key of that type, as ssh-keygen prints it."""
        shown = subprocess.run(
            ["ssh-keygen", "-lf", str(self.folder / f"host_{key_type}.pub")],
            check=True,
            capture_output=True,
            text=True,
        )
        return shown.stdout.split()[1]

    def host_vars(self, **more: Any) -> dict[str, Any]:
        """The variables of an inventory for a host that it serves."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": str(self.key),
            "disable_host_key_checking": True,
            "ansible_python_interpreter": interpreter(),
            **more,
        }


def interpreter() -> str:
    """A Python of the system, so that nothing of the tests' environment is on the managed host."""
    return "/usr/bin/python3" if Path("/usr/bin/python3").exists() else "python3"


def free_port() -> int:
    """A port that no process listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def running_or_skipped(factory: pytest.TempPathFactory) -> Generator[Sshd]:
    """The body of a fixture: an sshd with a new HOME. The test is skipped where none can be started."""
    try:
        with running(factory.mktemp("sshd"), factory.mktemp("home")) as started:
            yield started
    except CannotStart as error:
        pytest.skip(str(error))


@contextmanager
def running(
    folder: Path,
    home: Path,
    *,
    key_types: Sequence[str] = ("ed25519",),
    port: int | None = None,
    options: Sequence[str] = (),
) -> Generator[Sshd]:
    """An sshd for the length of the block; sessions have `home` as HOME. Raises CannotStart.

    Keys that are in the folder already are kept. `options` are further lines of its configuration.
    """
    program = shutil.which("sshd") or next(
        (p for p in ("/usr/sbin/sshd", "/usr/local/sbin/sshd") if Path(p).exists()), None
    )
    if program is None or shutil.which("ssh-keygen") is None:
        raise CannotStart("no sshd here: install openssh-server to run these tests")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)  # sshd's privilege separation wants it
    folder.chmod(0o700)
    hosts = [f"host_{key_type}" for key_type in key_types]
    for name, key_type in [*zip(hosts, key_types, strict=True), ("user", "ed25519")]:
        if not (folder / name).exists():
            make_key(folder / name, key_type)
    keys = folder / "authorized_keys"
    keys.write_text((folder / "user.pub").read_text())
    keys.chmod(0o600)
    port = port or free_port()
    configuration = folder / "sshd_config"
    configuration.write_text(
        f"""
Port {port}
ListenAddress 127.0.0.1
{"".join(f"HostKey {folder / name}{chr(10)}" for name in hosts)}AuthorizedKeysFile {keys}
PidFile {folder / "pid"}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
StrictModes no
UsePAM no
MaxStartups 100
SetEnv HOME={home}
Subsystem sftp internal-sftp
{chr(10).join(options)}
"""
    )
    log = folder / "log"
    with log.open("wb") as log_file:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(configuration)], stdout=log_file, stderr=log_file)
    try:
        _wait_until_listening(port, process, log)
        yield Sshd(port=port, key=folder / "user", pid=process.pid, folder=folder)
    finally:
        process.terminate()
        process.wait(10)


def make_key(path: Path, key_type: str = "ed25519") -> None:
    """A key pair in that file and its `.pub`."""
    subprocess.run(["ssh-keygen", "-q", "-t", key_type, "-N", "", "-f", str(path)], check=True, capture_output=True)


def _wait_until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CannotStart(f"sshd does not start here: {log.read_text(errors='replace').strip()[-300:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise CannotStart("sshd does not listen")
