"""The commands of the README and of the tutorial do what the text states, in its order, in one directory."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import sshd
from tests.support.processes.command import MODULE
from tests.support.waiting import until

CTL_MODULE = "ftl2_enterprise.entrypoints.ftl2ctl"
README = Path("README.md")
TUTORIAL = Path("docs/tutorial/first-loop.md")
BLOCK = re.compile(r"(?:<!--(?P<note>[^>]*)-->\n)?```sh\n(?P<script>.*?)```", re.DOTALL)
HOST = "ansible_host: 192.0.2.10, ansible_user: admin"


@dataclass(frozen=True)
class Example:
    script: str
    status: int
    prints: list[str]
    stopped_after: str | None
    keeps_running: bool
    """It runs until the end of the page, while the examples after it are executed."""


def examples(text: str) -> list[Example]:
    found: list[Example] = []
    for block in BLOCK.finditer(text):
        note = block["note"] or ""
        if "not run:" in note:
            continue
        status = re.search(r"exits with (\d+)", note)
        after = re.search(r'interrupted after "([^"]+)"', note)
        prints = re.findall(r'(?:prints|and) "([^"]+)"', note)
        found.append(
            Example(
                script=block["script"],
                status=int(status[1]) if status else 0,
                prints=prints,
                stopped_after=after[1] if after else None,
                keeps_running="keeps running" in note,
            )
        )
    return found


def test_every_shell_block_declares_whether_it_is_run() -> None:
    assert len(examples(README.read_text())) >= 10
    assert README.read_text().count("not run:") == 4


@pytest.mark.ssh
def test_the_examples_behave_as_the_readme_states(tmp_path: Path) -> None:
    home, remote = tmp_path / "home", tmp_path / "remote"
    for directory in (home, remote, tmp_path / "sshd"):
        directory.mkdir()
    try:
        with sshd.running(tmp_path / "sshd", home) as server:
            text = README.read_text()
            assert HOST in text
            values = json.dumps(server.host_vars())[1:-1]
            follow(text.replace(HOST, values).replace("/var/tmp/", f"{remote}/"), tmp_path)
    except sshd.CannotStart as reason:
        pytest.skip(str(reason))
    assert (tmp_path / "work" / "first-loop" / "managed" / "greeting").read_text() == "as desired\n"
    assert (remote / "greeting").read_text() == "good day from web1\n"


def test_the_examples_behave_as_the_tutorial_states(tmp_path: Path) -> None:
    text = TUTORIAL.read_text()
    assert len(examples(text)) == text.count("```sh")
    follow(text, tmp_path)
    assert (tmp_path / "work" / "tutorial" / "managed" / "README").read_text() == "This file is managed.\n"
    assert not Path("/etc/motd-of-the-tutorial").exists()


def follow(text: str, tmp_path: Path) -> None:
    """Execute the examples of a page, with their own programs, home and service."""
    programs, work, home = (tmp_path / name for name in ("bin", "work", "home"))
    for directory in (programs, work, home):
        directory.mkdir(exist_ok=True)
    for name, module in (("ftl2-enterprise", MODULE), ("ftl2ctl", CTL_MODULE)):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
        program.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FTL2")}
    environment |= {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "FTL2_ENTERPRISE_STORE_PATH": str(home / "loops.db"),
        "FTL2_ENTERPRISE_LOG_DIRECTORY": str(home / "log"),
        "FTL2_ENTERPRISE_SUPERVISOR_SOCKET": str(home / "control.sock"),
        "PYTHONPATH": str(Path.cwd()),
    }
    service: list[subprocess.Popen[str]] = []
    where = work
    try:
        for example in examples(text):
            if example.keeps_running:
                service.append(begin(example, where, environment))
                continue
            shown = behave(example, where, environment)
            if folder := re.search(r"mkdir -p \S+ && cd (\S+)", example.script):
                where = work / folder[1]
            assert "Traceback" not in shown
    finally:
        for process in service:
            process.terminate()
            process.communicate(timeout=60)


def exec_last(script: str) -> str:
    """The script with its last command in place of the shell, so that a signal reaches it."""
    before, between, last = script.rpartition("; ")
    return f"{before}{between}exec {last}"


def begin(example: Example, where: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start what continues to run, once it prints what it should."""
    process = subprocess.Popen(
        ["sh", "-c", f"exec {example.script}"],
        cwd=where, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert example.prints[0] in process.stdout.readline()
    until(Path(environment["FTL2_ENTERPRISE_SUPERVISOR_SOCKET"]).exists)
    return process


def behave(example: Example, where: Path, environment: dict[str, str]) -> str:
    """Run a block and compare its end and its words with the note above it; returns what it printed."""
    process = subprocess.Popen(
        ["sh", "-c", example.script if example.stopped_after is None else exec_last(example.script)],
        cwd=where, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    output = ""
    try:
        if example.stopped_after is not None:
            assert process.stdout is not None
            for shown in process.stdout:
                output += shown
                if example.stopped_after in shown:
                    break
            process.send_signal(signal.SIGINT)
        output += process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == example.status, f"{example.script}\n{output}"
    for words in example.prints:
        assert words in output, f"{words!r} is not in:\n{output}"
    return output
