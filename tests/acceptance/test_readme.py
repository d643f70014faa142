"""The README's commands do what the README says, in its order, in one directory."""

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

from tests.support import sshd
from tests.support.command import MODULE
from tests.support.waiting import until

CTL_MODULE = "ftl2_enterprise.entrypoints.ftl2ctl"
README = Path("README.md")
BLOCK = re.compile(r"(?:<!--(?P<note>[^>]*)-->\n)?```sh\n(?P<script>.*?)```", re.DOTALL)
HOST = "ansible_host: 192.0.2.10, ansible_user: admin"


@dataclass(frozen=True)
class Example:
    script: str
    status: int
    says: list[str]
    stopped_after: str | None
    goes_on: bool
    """It runs until the end, while the examples after it are tried."""


def examples(text: str) -> list[Example]:
    found: list[Example] = []
    for block in BLOCK.finditer(text):
        note = block["note"] or ""
        if "not run:" in note:
            continue
        status = re.search(r"ends with (\d+)", note)
        after = re.search(r'stopped after "([^"]+)"', note)
        says = re.findall(r'(?:saying|or) "([^"]+)"', note)
        found.append(
            Example(
                script=block["script"],
                status=int(status[1]) if status else 0,
                says=says,
                stopped_after=after[1] if after else None,
                goes_on="goes on" in note,
            )
        )
    return found


def test_every_shell_block_says_whether_it_is_run() -> None:
    assert len(examples(README.read_text())) >= 10
    assert README.read_text().count("not run:") == 4


@pytest.mark.ssh
def test_the_examples_behave_as_the_readme_says(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, module in (("ftl2-enterprise", MODULE), ("ftl2ctl", CTL_MODULE)):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
        program.chmod(0o755)
    service: list[subprocess.Popen[str]] = []
    work, home, remote = (tmp_path / name for name in ("work", "home", "remote"))
    for directory in (work, home, remote, tmp_path / "sshd"):
        directory.mkdir()
    try:
        with sshd.running(tmp_path / "sshd", home) as server:
            text = README.read_text()
            assert HOST in text
            values = json.dumps(server.host_vars())[1:-1]
            text = text.replace(HOST, values).replace("/var/tmp/", f"{remote}/")
            environment = {key: value for key, value in os.environ.items() if not key.startswith("FTL2")}
            environment |= {
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(home),
                "FTL2_ENTERPRISE_STORE_PATH": str(home / "loops.db"),
                "FTL2_ENTERPRISE_LOG_DIRECTORY": str(home / "log"),
                "FTL2_ENTERPRISE_SUPERVISOR_SOCKET": str(home / "control.sock"),
                "PYTHONPATH": str(Path.cwd()),
            }
            where = work
            for example in examples(text):
                if example.goes_on:
                    service.append(begin(example, where, environment))
                    continue
                said = behave(example, where, environment)
                if "cd first-loop" in example.script:
                    where = work / "first-loop"
                assert "Traceback" not in said
    except sshd.CannotStart as reason:
        pytest.skip(str(reason))
    finally:
        for process in service:
            process.terminate()
            process.communicate(timeout=60)
    assert (work / "first-loop" / "managed" / "greeting").read_text() == "as desired\n"
    assert (remote / "greeting").read_text() == "good day from web1\n"


def exec_last(script: str) -> str:
    """The script with its last command in place of the shell, so that a signal reaches it."""
    before, between, last = script.rpartition("; ")
    return f"{before}{between}exec {last}"


def begin(example: Example, where: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start what goes on, once it says what it should."""
    process = subprocess.Popen(
        ["sh", "-c", f"exec {example.script}"],
        cwd=where, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert example.says[0] in process.stdout.readline()
    until(Path(environment["FTL2_ENTERPRISE_SUPERVISOR_SOCKET"]).exists)
    return process


def behave(example: Example, where: Path, environment: dict[str, str]) -> str:
    """Run a block and compare its end and its words with the note above it; returns what it printed."""
    process = subprocess.Popen(
        ["sh", "-c", example.script if example.stopped_after is None else exec_last(example.script)],
        cwd=where, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    said = ""
    try:
        if example.stopped_after is not None:
            assert process.stdout is not None
            for shown in process.stdout:
                said += shown
                if example.stopped_after in shown:
                    break
            process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == example.status, f"{example.script}\n{said}"
    for words in example.says:
        assert words in said, f"{words!r} is not in:\n{said}"
    return said
