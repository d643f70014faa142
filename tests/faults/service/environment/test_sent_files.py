"""Files that a person names are read as that person, sent, and stored with the loop."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.protocol.loops.nouns import Condition, LoopState
from ftl2_enterprise.protocol.loops.verbs import CancelLoop, DeleteLoop, ListActions, RunLoopNow
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.terminal.ctl_process import ctl
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER_USER = 65534
MANIFEST = """\
version: 1
name: web
steps:
  - name: page
    host: web
    template: {{src: page.j2, dest: "{out}/page"}}
  - name: note
    host: web
    actions:
      - module: ansible.builtin.copy
        params: {{src: notes/note.txt, dest: "{out}/note"}}
"""
INVENTORY = "web: {hosts: {here: {ansible_connection: local}}}\n"
POLICY = "rules:\n  - decision: deny\n    match: {module: shell}\n"


def write(home: Path, out: Path) -> None:
    (home / "notes").mkdir(parents=True)
    (home / "group_vars").mkdir()
    (home / "site.yaml").write_text(MANIFEST.format(out=out))
    (home / "page.j2").write_text("page of {{ host }}\n")
    (home / "notes" / "note.txt").write_text("a nöte\n")
    (home / "hosts.yaml").write_text(INVENTORY)
    (home / "group_vars" / "web.yml").write_text("ansible_user: web\n")
    (home / "policy.yaml").write_text(POLICY)
    home.chmod(0o700)


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Daemon]:
    """A service that may read the files of other users only if their modes allow it, as that of the package."""
    with daemon(tmp_path) as made:
        made.prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
        made.start()
        yield made
        assert made.stop() == 0


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can own files that a service may not read"
)
def test_a_home_that_the_service_may_not_read_is_enough(foreign: Daemon) -> None:
    home, out = foreign.directory / "home", foreign.directory
    write(home, out)
    os.chown(home, OTHER_USER, OTHER_USER)
    with pytest.raises(Problem, match=r"cannot read the inventory .*Permission denied") as refused:
        foreign.submit("x", "be nice", inventory=str(home / "hosts.yaml"))
    assert refused.value.code is Code.UNAVAILABLE
    assert "ftl2ctl submit" in (refused.value.hint or "")
    options = ["-i", str(home / "hosts.yaml"), "--policy", str(home / "policy.yaml")]
    submit = [
        "submit",
        "-n",
        "web",
        "-f",
        str(home / "site.yaml"),
        *options,
        "--mode",
        "continuous",
        "--interval",
        "3600",
    ]
    sent = ctl(Path(foreign.socket), *submit)
    assert (sent.returncode, sent.stderr) == (0, "")
    until(lambda: foreign.loop("web").condition is Condition.IN_SYNC)
    assert (out / "page").read_text() == "page of here\n"
    assert (out / "note").read_text() == "a nöte\n"
    names = ("hosts.yaml", "group_vars/web.yml", "policy.yaml", "page.j2", "notes/note.txt")
    assert foreign.loop("web").spec.files.keys() == {str(home / name) for name in names}
    policy = ctl(Path(foreign.socket), "policy", "check", "shell", "--loop", "web", "--host", "here")
    assert (policy.returncode, policy.stderr) == (4, "")
    # From now on the files are in the database alone.
    shutil.rmtree(home)
    assert foreign.stop() == 0
    (out / "page").write_text("changed\n")
    foreign.start()
    foreign.call(RunLoopNow(loop="web"))
    until(lambda: (out / "page").read_text() == "page of here\n")
    assert {action.host for action in foreign.call(ListActions(loop="web")).actions} == {"here"}


def test_files_are_removed_with_the_last_loop_that_has_them(service: Daemon, tmp_path: Path) -> None:
    home = tmp_path / "home"
    write(home, tmp_path)
    submit = ["submit", "-f", str(home / "site.yaml"), "-i", str(home / "hosts.yaml"), "--paused"]
    for name in ("one", "two"):
        assert ctl(Path(service.socket), *submit, "-n", name).returncode == 0
    count = "SELECT count(*) FROM loop_files JOIN texts ON digest = content_digest"
    assert rows(service.run, count) == [(8,)]
    assert rows(service.run, "SELECT count(*) FROM texts") == [(4,)]
    for name, left in (("one", 4), ("two", 0)):
        service.call(CancelLoop(loop=name))
        service.until_state(name, LoopState.CANCELLED)
        service.call(DeleteLoop(loop=name))
        assert rows(service.run, count) == [(left,)]
        assert rows(service.run, "SELECT count(*) FROM texts") == [(4 if left else 0,)]


def test_what_cannot_be_sent_or_stored_is_refused(service: Daemon, tmp_path: Path) -> None:
    home = tmp_path / "home"
    write(home, tmp_path)
    os.mkfifo(home / "pipe.yaml")
    (home / "binary.yaml").write_bytes(b"\xff\xfe")
    (home / "secret.yaml").write_text("web: {hosts: {here: {ansible_password: hunter2}}}\n")
    with (home / "large.yaml").open("wb") as file:
        file.truncate(3 << 30)
    for name, status, reason in (
        ("pipe", 2, "it is not a regular file"),
        ("binary", 2, "it is not UTF-8 text"),
        ("large", 2, "larger than 8 MiB"),
        ("secret", 2, "cannot store the inventory"),
        ("missing", 2, "there is no such file"),
    ):
        path = home / f"{name}.yaml"
        refused = ctl(Path(service.socket), "submit", "-f", str(home / "site.yaml"), "-i", str(path))
        assert refused.returncode == status, refused
        assert refused.stderr.startswith("error: cannot "), refused
        assert str(path) in refused.stderr
        assert reason in refused.stderr
        assert "hunter2" not in refused.stderr
    assert service.lines() == {}


def test_a_program_is_executed_by_the_service(service: Daemon, tmp_path: Path) -> None:
    home = tmp_path / "home"
    write(home, tmp_path)
    program = home / "hosts.yaml"
    listed = '{"web": ["here"], "_meta": {"hostvars": {"here": {"ansible_connection": "local"}}}}'
    program.write_text(f"#!/bin/sh\necho '{listed}'\n")
    program.chmod(0o755)
    sent = ctl(Path(service.socket), "submit", "-f", str(home / "site.yaml"), "-n", "web", "-i", str(program))
    assert (sent.returncode, sent.stderr) == (0, "")
    loop = service.until_state("web", LoopState.COMPLETED)
    assert loop.spec.files.keys() == {str(home / "page.j2"), str(home / "notes" / "note.txt")}
