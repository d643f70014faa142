"""Resuming a loop: after an unexpected error, and with other limits."""

from __future__ import annotations

import re
import sqlite3

from tests.support.processes.command import Command

MANIFEST = "version: 1\nname: crash\nsteps:\n  - name: there\n    file: {path: /, state: directory}\n"


def test_an_internal_error_has_one_id_everywhere_and_the_loop_can_be_resumed(tmp_path):
    (tmp_path / "crash.yaml").write_text(MANIFEST)
    command = Command(tmp_path)
    crashed = command.run("run", str(tmp_path / "crash.yaml"), fault="observations-recorded=raise")
    assert crashed.returncode == 70, crashed.stdout + crashed.stderr
    assert "Traceback" not in crashed.stdout + crashed.stderr
    found = re.search(r"cannot continue: internal error ([0-9a-f]{8})", crashed.stderr)
    assert found, crashed.stderr
    log = tmp_path / "ftl2-enterprise.log"
    assert found[1] in log.read_text()
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    connection = sqlite3.connect(command.database)
    try:
        state, outcome, reason = connection.execute("select state, outcome, reason from loops").fetchone()
    finally:
        connection.close()
    assert (state, outcome) == ("failed", "failed")
    assert found[1] in reason
    again = command.run("run", "--resume", "crash")
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_loop_resumes_with_other_limits_but_not_with_another_desired_state(tmp_path):
    (tmp_path / "slow.yaml").write_text(
        "version: 1\nname: slow\nsteps:\n"
        f"  - name: one\n    file: {{path: {tmp_path}/one, state: directory}}\n"
        f"  - name: two\n    requires: [one]\n    file: {{path: {tmp_path}/one/two, state: directory}}\n"
    )
    command = Command(tmp_path)
    first = command.run("run", str(tmp_path / "slow.yaml"), "--max-iterations", "1")
    assert first.returncode == 1, first.stdout + first.stderr
    refused = command.run("run", "--resume", "slow", "--dry-run")
    assert refused.returncode == 2
    assert "cannot use --dry-run together with --resume" in refused.stderr
    again = command.run("run", "--resume", "slow", "--max-iterations", "5")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (tmp_path / "one" / "two").is_dir()
