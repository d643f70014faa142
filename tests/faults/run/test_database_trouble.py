"""A full disk and a locked database: one clear sentence, nothing half-written, and a later resume gets there."""

from __future__ import annotations

import sqlite3
import subprocess
from typing import TYPE_CHECKING

from tests.support.processes.command import Command

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version: 1
name: trouble
steps:
  - name: loud
    check: {{path: {base}/made}}
    action:
      module: shell
      params: {{cmd: "echo once >> {base}/effects; touch {base}/made; head -c 6000000 /dev/urandom | base64"}}
"""


def write_manifest(directory: Path) -> str:
    file = directory / "manifest.yaml"
    file.write_text(MANIFEST.format(base=directory))
    return str(file)


def test_a_full_disk_is_reported_and_the_loop_resumes_when_there_is_room(tmp_path, small_disk):
    manifest = write_manifest(tmp_path)
    command = Command(small_disk)
    full = command.run("run", "-f", manifest, "--name", "full", "--non-interactive")
    assert full.returncode == 69, full.stdout + full.stderr
    assert "cannot write the database" in full.stderr
    assert "full" in full.stderr
    assert "Traceback" not in full.stderr
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    again = command.run("run", "--resume", "full", "--non-interactive")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (tmp_path / "effects").read_text() == "once\n"
    connection = sqlite3.connect(command.database)
    try:
        assert connection.execute("select state from actions").fetchall() == [("unknown",)]
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    finally:
        connection.close()


def test_a_locked_database_is_reported_and_the_loop_resumes_when_it_is_free(tmp_path):
    manifest = write_manifest(tmp_path)
    command = Command(tmp_path)
    assert command.run("init-db").returncode == 0
    holder = sqlite3.connect(command.database, isolation_level=None)
    try:
        holder.execute("begin immediate")
        locked = command.run("run", "-f", manifest, "--name", "locked", "--non-interactive")
        assert locked.returncode == 69, locked.stdout + locked.stderr
        assert "cannot write the database" in locked.stderr
        assert "locked" in locked.stderr
        assert not (tmp_path / "effects").exists()
        holder.execute("rollback")
    finally:
        holder.close()
    again = command.run("run", "-f", manifest, "--name", "locked", "--non-interactive")
    assert again.returncode == 0, again.stdout + again.stderr
