"""`ftl2ctl` as a process: what it loads, how it ends, how bash completes it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState
from ftl2_enterprise.protocol.loops.replies import LoopPage
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, PauseLoop
from ftl2_enterprise.protocol.service.verbs import EventPage, ListEvents, WatchEvents
from tests.support.data import builders
from tests.support.scripted.scripted_service import ScriptedService, Stream
from tests.support.terminal.screen import Screen, ctl
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = {
    "aiohttp",
    "alembic",
    "argparse",
    "asyncio",
    "click",
    "concurrent",
    "dataclasses",
    "ftl2",
    "inspect",
    "pathlib",
    "prompt_toolkit",
    "rich",
    "shutil",
    "sqlalchemy",
    "subprocess",
    "tempfile",
    "threading",
    "typing_extensions",
    "yaml",
}
"""What a command does not need; the client starts too often to load it all the same."""
OUR_OTHER_HALF = {"adapters", "cli", "loops", "store", "supervisor", "wiring"}

PRINT_MODULES = """
import sys
from ftl2_enterprise.entrypoints import ftl2ctl
sys.argv = ["ftl2ctl", *sys.argv[1:]]
try:
    ftl2ctl.main()
except SystemExit as ending:
    status = ending.code
import json
print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with TemporaryDirectory(prefix="ctl-") as directory, ScriptedService(Path(directory) / "s") as found:
        found.on(ListLoops, LoopPage(loops=[builders.loop_line("web"), builders.loop_line("wiki", id=2)]))
        found.on(ListPrompts, [])
        found.on(PauseLoop, builders.loop(desired=Desired.PAUSE, state=LoopState.PAUSED))
        yield found


def environment(service: ScriptedService, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("FTL2", "PYTHON", "COV"))}
    return kept | {"FTL2CTL_SOCKET": str(service.path), **more}


def run(service: ScriptedService, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ctl(*words),
        env=environment(service, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        input="",
    )


def installed(directory: Path) -> str:
    """A search path on which `ftl2ctl` is found."""
    (directory / "ftl2ctl").write_text(f'#!/bin/sh\nexec {shlex.join(ctl())} "$@"\n')
    (directory / "ftl2ctl").chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["pause", "web"], ["events"], ["nonsense"]])
def test_a_command_loads_only_what_it_needs(service, words):
    service.on(ListEvents, EventPage(events=[], cursor=1))
    done = subprocess.run(
        [sys.executable, "-c", PRINT_MODULES, *words],
        env=environment(service),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    status, loaded = json.loads(done.stderr.splitlines()[-1])
    assert status == (2 if words == ["nonsense"] else 0)
    names = {name.partition(".")[0] for name in loaded}
    # Python itself loads some of them when it is started in a certain way.
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"],
        env=environment(service),
        capture_output=True,
        text=True,
        check=True,
    )
    assert names & NEVER - {name.partition(".")[0] for name in bare.stdout.split()} == set()
    assert not [
        name for name in loaded if name.split(".")[:2] in [["ftl2_enterprise", other] for other in OUR_OTHER_HALF]
    ]


def test_each_kind_of_failure_has_its_exit_status(service, tmp_path):
    assert run(service, "status").returncode == 0
    assert run(service, "pauze").returncode == 2
    assert run(service, "status", "--socket", str(tmp_path / "none")).returncode == 69
    assert run(service, "show", "web").returncode == 70


def test_a_pipe_gets_plain_text(service):
    done = run(service, "status")
    assert "\x1b" not in done.stdout
    assert "●" not in done.stdout
    assert done.stdout.splitlines()[2].split()[:2] == ["web", "running"]


def test_a_reader_that_leaves_is_no_error(service):
    line = f"{shlex.join(ctl('status'))} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], env=environment(service), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.startswith("2 loops")


def test_ctrl_c_ends_quietly(service):
    service.on(ListEvents, EventPage(events=[], cursor=1))
    events = Stream()
    service.on(WatchEvents, events)
    process = subprocess.Popen(
        ctl("events", "--follow"), env=environment(service), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(lambda: events.watchers)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")


def test_closed_streams_do_not_fail_a_command(service):
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(ctl('pause', 'web'))} <&- 2>&-"],
        env=environment(service),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"web: paused\n")


def test_the_socket_is_found_in_order(service, tmp_path):
    wrong = str(tmp_path / "wrong")
    named = run(service, "pause", "web", "--socket", str(service.path), FTL2CTL_SOCKET=wrong)
    second = run(service, "pause", "web", FTL2CTL_SOCKET="", FTL2_ENTERPRISE_SUPERVISOR_SOCKET=str(service.path))
    assert [done.returncode for done in (named, second)] == [0, 0]
    assert f"cannot reach the service at {wrong}" in run(service, "pause", "web", FTL2CTL_SOCKET=wrong).stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ftl2ctl pau", ["pause"]),
        ("ftl2ctl pause w", ["web", "wiki"]),
        ("ftl2ctl rules ", ["disable", "enable", "list", "show"]),
        ("ftl2ctl submit -f sit", ["site.yaml"]),
    ],
)
def test_bash_completes(service, tmp_path, line, found):
    (tmp_path / "site.yaml").touch()
    words = line.split(" ")
    script = f"""
    source <({shlex.join(ctl("completion", "bash"))})
    COMP_WORDS=({" ".join(shlex.quote(word) for word in words)}); COMP_CWORD={len(words) - 1}
    _ftl2ctl
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment(service, PATH=installed(tmp_path)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == found, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_file_is_understood_by_its_shell(service, tmp_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    file = tmp_path / "file"
    file.write_text(run(service, "completion", shell).stdout)
    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish_completes(service, tmp_path):
    file = tmp_path / "ftl2ctl.fish"
    file.write_text(run(service, "completion", "fish").stdout)
    script = f"source {file}; complete -C 'ftl2ctl pause w'; complete -C 'ftl2ctl rules e'"
    env = environment(service, PATH=installed(tmp_path))
    done = subprocess.run(["fish", "--no-config", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["web\trunning", "wiki\trunning", "enable\tEnable a rule."], done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
def test_zsh_completes(service, tmp_path):
    functions = tmp_path / "functions"
    functions.mkdir()
    (functions / "_ftl2ctl").write_text(run(service, "completion", "zsh").stdout)
    path = installed(tmp_path)
    environment = {"FTL2CTL_SOCKET": str(service.path), "PATH": path, "ZDOTDIR": str(tmp_path)}
    with Screen(["zsh", "-f"], environment=environment) as screen:
        screen.enter(f"PS1='z> '; fpath=({functions} $fpath); autoload -U compinit; compinit -u -D; clear")
        screen.wait(lambda text: text == "z>")
        screen.type("ftl2ctl pau\t")
        screen.see("z> ftl2ctl pause")
        screen.type(" we\t")
        screen.see("z> ftl2ctl pause web")
