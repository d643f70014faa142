"""The shell of ftl2ctl with the real service: a loop is submitted, asks and continues, over kills and restarts."""

from __future__ import annotations

import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState
from tests.support.service.daemon import Daemon, daemon
from tests.support.terminal.screen import INVITE, Screen, invited, shell
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ONCE = """\
version: 1
name: once
steps:
  - name: message
    copy: {{content: "hello\\n", dest: "{path}"}}
"""

ASKS = """\
version: 1
name: asks
questions: [{{key: colour, question: "Which colour?", options: [red, blue]}}]
steps:
  - name: made
    check: {{path: "{path}"}}
    action: {{module: shell, params: {{cmd: "echo {{{{ answers.colour }}}} > {path}"}}}}
"""

FAILS = """\
version: 1
name: fails
steps:
  - name: never
    check: {{path: "{path}"}}
    action: {{module: shell, params: {{cmd: "echo no space >&2; exit 3"}}}}
"""


@pytest.fixture
def service() -> Iterator[Daemon]:
    # Short: what is typed and shown with paths in it is to stay on its line.
    with TemporaryDirectory(prefix="ctl-") as directory, daemon(Path(directory)) as made:
        for name, text in (("once", ONCE), ("asks", ASKS), ("fails", FAILS)):
            (made.directory / f"{name}.yaml").write_text(text.format(path=made.directory / f"{name}.txt"))
        made.start()
        yield made


def test_a_day_in_the_shell(service):
    with shell(service.socket, service.directory) as screen:
        screen.see("no loops yet: submit -f FILE", INVITE)
        screen.enter(f"submit -f {service.directory}/once.yaml --wait")
        screen.see("once: starting", "✔ changed", "✔ converged: loop once")
        invited(screen, 2)
        screen.enter(f"submit -f {service.directory}/asks.yaml")
        screen.see("? asks asks: Which colour? (red / blue)", "1 waiting for you")
        screen.enter("answer")
        screen.see("1) red", "2) blue", " of asks (1-2")
        screen.enter("blue")
        screen.see("✔ answered: blue", "✔ converged: loop asks")
        assert (service.directory / "asks.txt").read_text() == "blue\n"
        screen.enter(f"submit -f {service.directory}/fails.yaml --max-iterations 2")
        screen.see("✘ fails not converged", " 1 not converged")
        screen.enter("clear")
        screen.lose("starting")
        invited(screen, 1)
        screen.enter("status --all")
        invited(screen, 2)
        text = screen.see("✔ converged", "✘ not converged")
        assert [row.split()[0] for row in text.splitlines() if " ✔ " in row or " ✘ " in row] == [
            "fails",
            "asks",
            "once",
        ]
        screen.type("\x04")
        assert screen.end() == 0


@pytest.mark.parametrize("victim", ["control", "writer", "forkserver"])
def test_the_shell_outlives_what_dies_under_it(service, victim):
    with shell(service.socket, service.directory) as screen:
        screen.see("no loops yet", INVITE)
        service.kill(victim)
        screen.enter(f"submit -f {service.directory}/asks.yaml")
        # A command during the gap may be refused with a message; the shell does not end, and accepts the next one.
        until(lambda: _submitted(service, screen))
        screen.see("asks asks: Which colour?", seconds=60)
        screen.enter("answer 1 red")
        screen.see("answered: red")
        service.until_state("asks", LoopState.COMPLETED)
    assert "Traceback" not in screen.raw


def _submitted(service: Daemon, screen: Screen) -> bool:
    if "error: " in screen.text:
        screen.enter("clear")
        screen.lose("error: ")
        screen.enter(f"submit -f {service.directory}/asks.yaml -n asks")
    screen.wait(lambda text: "asks: " in text or "error: " in text)
    return "asks" in service.lines()


def test_a_prompt_is_answered_after_the_service_was_killed_and_started_again(service):
    with shell(service.socket, service.directory) as screen:
        screen.see("no loops yet", INVITE)
        screen.enter(f"submit -f {service.directory}/asks.yaml")
        screen.see("asks asks: Which colour?")
        service.signal(signal.SIGKILL)
        service.wait()
        screen.see("the service is unreachable, trying again")
        service.start()
        screen.see("the service is back", "1 waiting for you")
        screen.enter("answer")
        screen.see(" of asks (1-2")
        screen.enter("2")
        screen.see("✔ answered: blue", "✔ converged: loop asks")
    assert (service.directory / "asks.txt").read_text() == "blue\n"
