"""A second machine, which the service of the first one manages by SSH; a cable between them that can be pulled."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn

CONTROLLER, HOST = "192.0.2.1", "192.0.2.10"
"""Their addresses, of the network for documentation (RFC 5737); the second one is that of the pages."""
ADMIN = "admin"
"""Who may become root on the host without a password, as on images of clouds."""
CABLE = "cable0"


def connect(controller: Machine[Nspawn], host: Machine[Nspawn]) -> None:
    """Lay a cable between two machines that have none; its ends disappear with either of them."""
    ends = {controller: CONTROLLER, host: HOST}
    leaders = [str(machine.engine.leader) for machine in ends]
    _ip("link", "add", "name", CABLE, "netns", leaders[0], "type", "veth", "peer", "name", CABLE, "netns", leaders[1])
    for machine, address in ends.items():
        machine.run("ip", "address", "add", f"{address}/24", "dev", CABLE)
        machine.run("ip", "link", "set", CABLE, "up")


def pull(machine: Machine[Nspawn]) -> None:
    """What is sent to the machine or by it is lost from now on, without a report."""
    machine.run("ip", "link", "set", CABLE, "down")


def plug_in(machine: Machine[Nspawn]) -> None:
    """Undo `pull`."""
    machine.run("ip", "link", "set", CABLE, "up")


def prepare(host: Machine[Nspawn]) -> None:
    """Let ADMIN exist, who may become root, and the services run."""
    host.add_user(ADMIN)
    host.write(f"/etc/sudoers.d/{ADMIN}", f"{ADMIN} ALL=(ALL) NOPASSWD: ALL\n", mode="0440")
    # Its own keys: those of the package are the same on every machine of this tree.
    host.sh("rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl start ssh cron")


def authorize(host: Machine[Nspawn], key: str) -> None:
    """Let the owner of the key log in as ADMIN, as `ssh-copy-id` does."""
    host.write(f"/home/{ADMIN}/.ssh/authorized_keys", key, owner=ADMIN, mode="0600")
    host.run("chown", ADMIN, f"/home/{ADMIN}/.ssh")


def fingerprint(host: Machine[Nspawn]) -> str:
    """That of the key which the page compares."""
    return host.run("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub").split()[1]


def _ip(*argv: str) -> None:
    subprocess.run(["ip", *argv], check=True)
