"""The drop-in `local-manage.conf`: loops change packages, services, users and files of their own machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.systemd.manifests import EVERYTHING, assert_everything

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn

EXAMPLE = "/usr/share/doc/ftl2-enterprise/examples/local-manage.conf"
REFUSED = """\
version: 1
name: refused
steps:
  - name: kernel
    check: {command: test -e /never}
    action: {module: shell, params: {cmd: "mount -t tmpfs tmpfs /mnt"}}
"""


def test_loops_change_their_own_machine(machine: Machine[Nspawn]) -> None:
    machine.run("systemctl", "start", "cron")
    machine.drop_in("local-manage", machine.read(EXAMPLE))
    machine.run("systemctl", "restart", "ftl2-enterprise")
    machine.until_well()
    done = machine.submit("everything", EVERYTHING.format(where=""), "--wait")
    assert done.status == 0, done
    assert_everything(machine)
    done = machine.submit("again", EVERYTHING.format(where=""), "--wait")
    assert done.status == 0, done
    assert machine.ctl("actions", "again")["actions"] == []
    # What the drop-in does not open stays closed.
    done = machine.submit("refused", REFUSED, "--wait", "--max-iterations", "1")
    assert done.status == 1, done
    assert not machine.exists("/never")
    assert machine.try_("mountpoint", "-q", "/mnt").status != 0
