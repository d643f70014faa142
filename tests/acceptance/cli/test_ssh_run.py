"""`run` on real SSH hosts, as a user runs it: a group, an inventory file, and a host that does not answer."""

from __future__ import annotations

import json
import sqlite3

import pytest
import yaml

from tests.support.processes import sshd
from tests.support.processes.command import Command

pytestmark = [pytest.mark.ssh, pytest.mark.timeout(240)]

MANIFEST = """
version: 1
name: greeting
steps:
  - name: greeting
    host: web
    copy: {{dest: "{base}/{{{{ host }}}}.txt", content: "hello from {{{{ host }}}}\\n", mode: "0640"}}
  - name: marker
    host: web
    requires: [greeting]
    check: {{path: "{base}/{{{{ host }}}}.marker"}}
    action: {{module: shell, params: {{cmd: "touch {base}/{{{{ host }}}}.marker"}}}}
"""


@pytest.fixture
def server(tmp_path_factory):
    yield from sshd.running_or_skipped(tmp_path_factory)


def test_a_group_converges_and_a_host_that_does_not_answer_is_distinguished(tmp_path, server):
    command = Command(tmp_path)
    (tmp_path / "manifest.yaml").write_text(MANIFEST.format(base=tmp_path))
    hosts = {"web1": server.host_vars(), "web2": server.host_vars()}
    inventory = tmp_path / "hosts.yaml"
    inventory.write_text(yaml.safe_dump({"web": {"hosts": hosts}}))
    arguments = ["run", "-f", str(tmp_path / "manifest.yaml"), "-i", str(inventory), "--non-interactive"]
    both = command.run(*arguments, "--name", "both", timeout=180)
    assert both.returncode == 0, both.stdout + both.stderr
    assert (tmp_path / "web2.txt").read_text() == "hello from web2\n"
    assert (tmp_path / "web1.marker").exists()
    again = command.run(*arguments, "--name", "again", timeout=180)
    assert again.returncode == 0, again.stdout + again.stderr
    document = json.loads(command.run("status", "--all", "--json").stdout)
    assert "again" in json.dumps(document)
    connection = sqlite3.connect(command.database)
    try:
        changed = connection.execute("select name, changed_count from loops order by id").fetchall()
        assert changed == [("both", 4), ("again", 0)]
        hosts["web3"] = server.host_vars(ansible_port=sshd.free_port())
        inventory.write_text(yaml.safe_dump({"web": {"hosts": hosts}}))
        third = command.run(*arguments, "--name", "third", "--max-iterations", "2", timeout=180)
        assert third.returncode == 1, third.stdout + third.stderr
        assert "web3" in third.stdout
        failed = connection.execute(
            "select distinct host from observations where state = 'failed' and loop_id = 3"
        ).fetchall()
        assert failed == [("web3",)]
        state, outcome, condition = connection.execute(
            "select state, outcome, condition from loops where id = 3"
        ).fetchone()
        assert (state, outcome) == ("failed", "not_converged")
        assert condition != "in_sync"
    finally:
        connection.close()
