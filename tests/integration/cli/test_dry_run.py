"""A dry run as a user runs it: it shows what would change, and writes nothing but its record in the database."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.processes import sshd
from tests.support.processes.command import Command
from tests.support.processes.trees import Tree, tree
from tests.support.terminal.cli_runs import ended

if TYPE_CHECKING:
    from collections.abc import Iterator

WOULD_CHANGE = 7
MANIFEST = """version: 1
name: site
steps:
  - name: dir
    host: HOST
    file: {path: "BASE/etc", state: directory}
  - name: config
    host: HOST
    copy: {dest: "BASE/server.conf", content: "workers 2\\nport 80\\n"}
  - name: greeting
    host: HOST
    requires: [dir]
    template: {src: greeting.j2, dest: "BASE/etc/greeting", variables: {name: world}}
  - name: line
    host: HOST
    check:
      observe: {module: lineinfile, params: {path: "BASE/lines", line: x, create: true}}
      expect: {changed: false}
    action: {module: lineinfile, params: {path: "BASE/lines", line: x, create: true}}
  - name: marker
    host: HOST
    check: {path: "BASE/marker"}
    action: {module: shell, params: {cmd: "touch BASE/marker"}}
  - name: second
    host: HOST
    check: {path: "BASE/second"}
    action: {module: command, params: {argv: [touch, "BASE/second"]}}
  - name: service
    host: HOST
    check: {path: "BASE/never"}
    action: {module: service, params: {name: ftl2-no-such-unit, state: started}}
  - name: package
    host: HOST
    check: {path: "BASE/never"}
    action: {module: apt, params: {name: ftl2-no-such-package}}
  - name: writing-check
    host: HOST
    check: {command: "touch BASE/by-the-check"}
    action: {module: command, params: {cmd: "true"}}
"""


@dataclass
class Place:
    """A host directory, and the directories in which programs of a user leave files."""

    command: Command
    host: Path
    folders: list[Path]

    def state(self) -> Tree:
        found = tree(*self.folders)
        # A folder of a call exists there while the call runs.
        del found[self.command.env["TMPDIR"]]
        return found

    def new_files(self) -> set[str]:
        """The files next to the database; empty folders are not counted."""
        kept = ("loops.db", "config.toml")
        files = (path for path in self.command.directory.rglob("*") if path.is_file())
        return {path.name for path in files if not path.name.startswith(kept)}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory that other users can read, unlike those of pytest: differences show what is public."""
    with TemporaryDirectory(dir="/tmp") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    names = ("controller", "host", "home", "tmp", "run", "input", "cache")
    folders = {name: tmp_path / name for name in names}
    for folder in folders.values():
        folder.mkdir()
    host = folders["host"]
    (host / "server.conf").write_text("workers 1\nport 80\n")
    (host / "server.conf").chmod(0o644)
    (folders["input"] / "greeting.j2").write_text("hello {{ name }}\n")
    env = {
        "HOME": str(folders["home"]),
        "TMPDIR": str(folders["tmp"]),
        "XDG_RUNTIME_DIR": str(folders["run"]),
        "XDG_CACHE_HOME": str(folders["cache"]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return Place(
        Command(folders["controller"], env=env), host, [folders[name] for name in names if name != "controller"]
    )


def manifest(place: Place, host: str = "localhost") -> str:
    path = place.folders[-2] / "site.yaml"
    path.write_text(MANIFEST.replace("BASE", str(place.host)).replace("HOST", host))
    return str(path)


def check_shown(place: Place, shown: str) -> None:
    for text in (
        f"--- {place.host}/server.conf\n",
        "-workers 1\n",
        "+workers 2\n",
        "state: absent -> directory\n",
        f"+++ {place.host}/etc/greeting\n",
        "+hello world\n",
        "nothing was changed: this was a dry run",
    ):
        assert text in shown, shown


def test_a_manifest_writes_nothing_and_shows_what_it_would(place: Place) -> None:
    path = manifest(place)
    before = place.state()
    shown = ended(place.command.run("run", path, "--dry-run", "--non-interactive"), WOULD_CHANGE)
    assert place.state() == before
    assert place.new_files() == set()
    check_shown(place, shown)
    for call in ("shell", "command", "service", "apt", "lineinfile"):
        assert f"would run {call} on localhost" in shown
    assert "writing-check on localhost: its check has no result: not known in a dry run" in shown
    history = ended(place.command.run("history", "site-dry-run", "--actions"), 0)
    assert "+workers 2\n" in history


def test_the_document_has_every_action_with_its_difference(place: Place) -> None:
    path = manifest(place)
    result = place.command.run("run", path, "--dry-run", "--non-interactive", "--json")
    ended(result, WOULD_CHANGE)
    document = json.loads(result.stdout)
    found = {one["params"].get("dest") or one["params"].get("path"): one for one in document["previewed"]}
    assert "+workers 2" in found[f"{place.host}/server.conf"]["diff"]["shown"]
    assert len(document["previewed"]) == 8


def test_nothing_is_written_over_ssh(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = place.folders[1]
    try:
        with sshd.running(tmp_path_factory.mktemp("sshd"), home) as server:
            inventory = tmp_path_factory.mktemp("inventory") / "hosts.yaml"
            inventory.write_text(yaml.safe_dump({"all": {"hosts": {"web": server.host_vars()}}}))
            path = manifest(place, "web")
            arguments = ["run", path, "-i", str(inventory), "--dry-run", "--non-interactive"]
            host = tree(place.host)
            # The first run also builds FTL2's gate.
            place.command.run(*arguments, timeout=300)
            before = place.state()
            result = place.command.run(*arguments, timeout=300)
            after = place.state()
    except sshd.CannotStart as error:
        pytest.skip(str(error))
    shown = ended(result, WOULD_CHANGE)
    check_shown(place, shown)
    assert tree(place.host) == host
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    # What runs modules on a host keeps itself there: FTL2's gate, and our code in ~/.ftl.
    own = tuple(str(home / name) for name in (".ftl", ".ftl2"))
    assert {path for path in changed if not path.startswith(own) and path != str(home)} == set()


def scripted_model(place: Place, *answers: dict[str, Any]) -> None:
    """A program instead of `claude` that gives these decisions one after the other."""
    folder = place.command.directory / "model"
    folder.mkdir()
    (folder / "answers").write_text(json.dumps(answers))
    program = folder / "claude"
    program.write_text(
        f"""#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path({str(folder)!r})
if "--version" in sys.argv:
    print("2.1.0 (Claude Code)")
    raise SystemExit
sys.stdin.read()
n = len(list(here.glob("call-*")))
(here / f"call-{{n}}").touch()
answers = json.loads((here / "answers").read_text())
one = answers[min(n, len(answers) - 1)]
print(json.dumps({{"type": "result", "subtype": "success", "is_error": False, "structured_output": one,
    "result": json.dumps(one), "total_cost_usd": 0.01, "usage": {{"input_tokens": 10, "output_tokens": 5}}}}))
"""
    )
    program.chmod(0o755)
    place.command.env["PATH"] = f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize("with_policy", [False, True])
def test_what_a_model_observes_writes_nothing(place: Place, *, with_policy: bool) -> None:
    observe = [
        {"name": "a", "module": "shell", "params": {"cmd": f"date > {place.host}/F"}},
        {"name": "b", "module": "copy", "params": {"dest": f"{place.host}/G", "content": "x"}},
        {"name": "c", "module": "lineinfile", "params": {"path": f"{place.host}/H", "line": "x", "create": True}},
    ]
    scripted_model(
        place,
        {"converged": False, "reasoning": "observe first", "actions": [], "observe": observe},
        {"converged": True, "reasoning": "done", "actions": []},
    )
    policy = place.folders[-2] / "policy.yaml"
    policy.write_text('rules:\n  - {decision: deny, match: {module: "*"}, reason: nothing at all}\n')
    arguments = ["run", "anything", "--decider", "claude", "--non-interactive", "--dry-run"]
    before = place.state()
    result = place.command.run(*arguments, *(["--policy", str(policy)] if with_policy else []))
    assert place.state() == before
    assert (place.command.directory / "model" / "call-0").exists(), result.stdout + result.stderr


def test_a_rule_writes_nothing(place: Place) -> None:
    rules = place.folders[-2] / "rules"
    rules.mkdir()
    (rules / "write.py").write_text(
        f'''"""Writes in every way"""

import contextlib
import pathlib

applies_to = "everything"


async def condition(state):
    with contextlib.suppress(OSError):
        pathlib.Path("{place.host}/by-the-condition").write_text("x")
    return True


async def action(ftl):
    with contextlib.suppress(OSError):
        pathlib.Path("{place.host}/by-the-action").write_text("x")
    await ftl.copy(dest="{place.host}/server.conf", content="from a rule\\n")
    await ftl.shell(cmd="touch {place.host}/by-a-command")
'''
    )
    before = place.state()
    shown = ended(
        place.command.run("run", "anything", "--decider", "rules", "--rules-dir", str(rules), "--dry-run"),
        WOULD_CHANGE,
    )
    assert place.state() == before
    assert "+from a rule\n" in shown
    assert "would run shell on localhost" in shown


def test_with_run_checks_a_check_runs_as_it_is_written(place: Place) -> None:
    path = manifest(place)
    ended(place.command.run("run", path, "--dry-run", "--run-checks", "--non-interactive"), WOULD_CHANGE)
    assert {one.name for one in place.host.iterdir()} == {"server.conf", "by-the-check"}
