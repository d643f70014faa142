"""The installed package manages a second machine by SSH."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.systemd import second_machine
from tests.acceptance.systemd.conftest import machine_of
from tests.acceptance.systemd.manifests import EVERYTHING, assert_everything
from tests.acceptance.systemd.pages import examples
from tests.acceptance.systemd.second_machine import ADMIN, HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn
    from tests.acceptance.systemd.tree import Tree

SERVICE_USER = "ftl2-enterprise"
INVENTORY_FILE = "/etc/ftl2-enterprise/hosts.yaml"
STATE = "/var/lib/ftl2-enterprise"
INVENTORY = f"""\
web:
  hosts:
    web1: {{ansible_host: {HOST}, ansible_user: {ADMIN}, ansible_become: true}}
"""
PAGE = """\
version: 1
name: web
steps:
  - name: page
    host: web
    copy: {dest: /srv/index.html, content: "hello\\n"}
"""


@pytest.fixture
def host(machine: Machine[Nspawn], tree: Tree, places: Iterator[Path]) -> Iterator[Machine[Nspawn]]:
    """A host that the service can reach, and does not know."""
    with machine_of(tree, next(places)) as made:
        second_machine.connect(machine, made)
        second_machine.prepare(made)
        yield made


@pytest.fixture
def known(machine: Machine[Nspawn], host: Machine[Nspawn]) -> Machine[Nspawn]:
    """The same, once the service knows its key, and it that of the service."""
    key = f"{STATE}/.ssh/id_ed25519"
    machine.run("install", "-d", "-m", "700", "-o", SERVICE_USER, "-g", SERVICE_USER, f"{STATE}/.ssh")
    machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key, user=SERVICE_USER)
    second_machine.authorize(host, machine.read(f"{key}.pub"))
    machine.write(INVENTORY_FILE, INVENTORY)
    fingerprint = second_machine.fingerprint(host)
    machine.run("ftl2ctl", "hosts", "trust", "web1", "-i", INVENTORY_FILE, "--fingerprint", fingerprint)
    return host


def test_every_command_of_the_page_works(machine: Machine[Nspawn], host: Machine[Nspawn]) -> None:
    tried = examples(Path("docs/how-to/first-host.md"))
    # The person has compared it.
    fingerprint = second_machine.fingerprint(host)
    first, *rest = tried
    first.follow(machine)
    second_machine.authorize(host, machine.read(f"{STATE}/.ssh/id_ed25519.pub"))
    for example in rest:
        example.follow(host if example.is_for_host else machine, FINGERPRINT=fingerprint)
    assert host.read("/var/tmp/greeting") == "hello from web1\n"
    # Another machine at this address has another key.
    host.sh("rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh")
    changed = examples(Path("docs/how-to/first-host.md"), after="another key")
    assert changed
    for example in changed:
        example.follow(machine, FINGERPRINT=second_machine.fingerprint(host))


def test_what_is_out_of_place_on_a_host_changes_and_is_in_place_afterwards(
    machine: Machine[Nspawn], known: Machine[Nspawn]
) -> None:
    host = known
    done = machine.submit("web", EVERYTHING.format(where="host: web"), "-i", INVENTORY_FILE, "--wait", user="alice")
    assert done.status == 0, done
    assert_everything(host)
    assert len(machine.ctl("actions", "web")["actions"]) == 6
    done = machine.submit("again", EVERYTHING.format(where="host: web"), "-i", INVENTORY_FILE, "--wait", user="alice")
    assert done.status == 0, done
    assert machine.ctl("actions", "again")["actions"] == []


def test_a_host_that_was_gone_converges_when_it_is_back(machine: Machine[Nspawn], known: Machine[Nspawn]) -> None:
    host = known
    watched = ["-i", INVENTORY_FILE, "--mode", "continuous", "--interval", "1"]
    done = machine.submit("web", PAGE, *watched, user="alice")
    assert done.status == 0, done
    machine.until(lambda: host.exists("/srv/index.html"))
    machine.until_state("web", "resting")
    second_machine.pull(host)
    host.run("rm", "/srv/index.html")
    reason = machine.until(lambda: next(iter(_rested(machine, "not_converged")), None), seconds=120)
    assert "web1 cannot be observed: cannot finish the call on web1" in reason
    assert "web1 cannot be observed" in machine.run("ftl2ctl", "show", "web")
    second_machine.plug_in(host)
    machine.until(lambda: host.exists("/srv/index.html"), seconds=120)
    machine.until(lambda: _rested(machine, "converged")[1:])


def _rested(machine: Machine[Nspawn], outcome: str) -> list[str]:
    """Why the runs of the loop ended that had the outcome."""
    events = machine.ctl("events", "web")["events"]
    return [
        one["data"].get("reason") or ""
        for one in events
        if one["data"].get("outcome") == outcome and one["kind"] == "loop.rested"
    ]
