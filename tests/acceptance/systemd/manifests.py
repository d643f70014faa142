"""Desired states that loops in machines have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn

HOME = "/var/lib/ftl2-enterprise"
"""Where loops may write."""

MESSAGE = f"""\
version: 1
name: message
steps:
  - name: file
    copy: {{dest: {HOME}/message, content: "as desired\\n", mode: 0644}}
"""

QUESTION = f"""\
version: 1
name: greeting
questions:
  - key: word
    question: "Which greeting?"
    options: [hello, good day]
steps:
  - name: file
    copy: {{dest: {HOME}/greeting, content: "{{{{ answers.word }}}}\\n", mode: 0644}}
"""


def long(name: str, command: str, *, until: str) -> str:
    """One action that takes as long as the command does."""
    return f"""\
version: 1
name: {name}
steps:
  - name: long
    check: {{command: "test -e {until}"}}
    action: {{module: shell, params: {{cmd: "{command}"}}}}
"""


GATE = f"{HOME}/gate"
BEGUN = f"{HOME}/begun"
GATED = long(
    "gated", f"touch {BEGUN}; until test -e {GATE}; do sleep 0.1; done; touch {HOME}/done", until=f"{HOME}/done"
)
"""In the middle of a long action until the gate is opened."""

EVERYTHING = """\
version: 1
name: web
steps:
  - name: package
    {where}
    check: {{command: test ! -e /usr/bin/rpm}}
    action: {{module: apt, params: {{name: rpm, state: absent}}}}
  - name: account
    {where}
    check: {{command: id deploy}}
    action: {{module: user, params: {{name: deploy, shell: /bin/sh}}}}
  - name: directory
    {where}
    requires: [account]
    file: {{path: /srv/web, state: directory, owner: deploy, mode: 0750}}
  - name: page
    {where}
    requires: [directory]
    copy: {{dest: /srv/web/index.html, content: "hello\\n", owner: deploy, mode: 0640}}
  - name: schedule
    {where}
    check: {{command: grep -q /srv/web /etc/cron.d/web}}
    action:
      module: cron
      params: {{name: web, user: deploy, job: ls /srv/web, special_time: daily, cron_file: web}}
  - name: service
    {where}
    check: {{command: "! systemctl is-active cron"}}
    action: {{module: systemd, params: {{name: cron, state: stopped}}}}
"""
"""Something of each kind that is out of place on a machine of the tree; `where` names its host."""


def assert_everything(machine: Machine[Nspawn]) -> None:
    """Assert that all of it is in place, as the machine itself shows."""
    assert not machine.exists("/usr/bin/rpm")
    assert machine.run("getent", "passwd", "deploy").strip().endswith(":/bin/sh")
    assert machine.run("stat", "-c", "%U %a", "/srv/web", "/srv/web/index.html") == "deploy 750\ndeploy 640\n"
    assert machine.read("/srv/web/index.html") == "hello\n"
    assert "@daily deploy ls /srv/web" in machine.read("/etc/cron.d/web")
    assert not machine.is_active("cron")
