"""`run` on a terminal: a question is asked there, and what is shown stays readable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pexpect
import pyte
import pytest

from ftl2_enterprise.cli.loops.progress_live import FRAMES
from tests.support.processes.command import Command
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

QUESTION = """version: 1
name: made
questions: [{key: colour, question: "Which colour?", options: [red, blue], default: blue}]
steps:
  - name: made
    check: {path: BASE/made}
    action: {module: shell, params: {cmd: "echo {{ answers.colour }} > BASE/made; echo '[bold]x [/path]'"}}
"""


class Terminal:
    """A process on its own terminal, and the screen as a user sees it."""

    def __init__(self, command: Command, *arguments: str, columns: int = 240, **environment: str) -> None:
        self.columns = columns
        argv = command.argv(*arguments)
        env = {key: value for key, value in command.environment().items() if key != "NO_COLOR"}
        env |= {"TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}
        self.raw = ""
        self.child = pexpect.spawn(
            argv[0], argv[1:], env=env, encoding="utf-8", dimensions=(60, columns), timeout=60, echo=True
        )
        self.child.logfile_read = self

    def write(self, text: str) -> None:
        self.raw += text

    def flush(self) -> None: ...

    def screen(self) -> str:
        screen = pyte.Screen(self.columns, 60)
        pyte.Stream(screen).feed(self.raw)
        return "\n".join(row.rstrip() for row in screen.display).strip()

    def end(self) -> int:
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus is not None, self.screen()
        return self.child.exitstatus


@pytest.fixture
def command(tmp_path: Path) -> Command:
    (tmp_path / "made.yaml").write_text(QUESTION.replace("BASE", str(tmp_path)))
    return Command(tmp_path)


def test_a_question_is_answered_at_the_terminal(command: Command, tmp_path: Path) -> None:
    terminal = Terminal(command, "run", "-f", str(tmp_path / "made.yaml"))
    terminal.child.expect("Enter for blue")
    terminal.child.sendline("green")
    terminal.child.expect("Enter for blue")
    terminal.child.sendline("1")
    assert terminal.end() == 0
    assert (tmp_path / "made").read_text() == "red\n"
    shown = terminal.screen()
    assert "cannot accept 'green' as an answer" in shown
    assert "✔ changed   shell on localhost" in shown
    assert "✔ converged: loop made" in shown
    assert "observing" not in shown
    assert "\x1b[32m" in terminal.raw


def test_a_secret_is_not_shown_while_it_is_typed(command: Command, tmp_path: Path) -> None:
    text = f"""version: 1
name: made
questions: [{{key: phrase, question: "Which phrase?", secret: true}}]
steps:
  - {{name: made, copy: {{dest: {tmp_path}/made, content: "{{{{ secrets.phrase }}}}", mode: 0600}}}}
"""
    (tmp_path / "made.yaml").write_text(text)
    terminal = Terminal(command, "run", "-f", str(tmp_path / "made.yaml"))
    terminal.child.expect("a secret, not shown")
    until(lambda: not terminal.child.getecho())
    for pasted, why in (("first line\nsecond line\n", "several lines"), (f"{'x' * 6000}\n", "which cuts long ones")):
        terminal.child.send(pasted)
        terminal.child.expect(why)
        until(lambda: not terminal.child.getecho())
    terminal.child.sendline("  open sesame ")
    assert terminal.end() == 0
    assert (tmp_path / "made").read_text() == "  open sesame "
    assert "sesame" not in terminal.raw
    assert "answered: [redacted] (by " in terminal.screen()


def test_enter_takes_the_default(command: Command, tmp_path: Path) -> None:
    terminal = Terminal(command, "run", "-f", str(tmp_path / "made.yaml"))
    terminal.child.expect("Enter for blue")
    terminal.child.sendline("")
    assert terminal.end() == 0
    assert (tmp_path / "made").read_text() == "blue\n"
    assert terminal.screen().count("answered: blue (by ") == 1


def test_the_end_of_the_input_leaves_the_loop_waiting(command: Command, tmp_path: Path) -> None:
    terminal = Terminal(command, "run", "-f", str(tmp_path / "made.yaml"))
    terminal.child.expect("Enter for blue")
    terminal.child.sendeof()
    assert terminal.end() == 8
    assert "respond 1 ANSWER" in terminal.screen()
    assert stale(terminal) == []


def stale(terminal: Terminal) -> list[str]:
    """Lines of the live display that were not removed."""
    return [row for row in terminal.screen().splitlines() if any(frame in row for frame in FRAMES)]


def test_an_answer_from_another_process_withdraws_the_question(command: Command, tmp_path: Path) -> None:
    terminal = Terminal(command, "run", "-f", str(tmp_path / "made.yaml"))
    terminal.child.expect("Enter for blue")
    assert command.run("respond", "1", "red").returncode == 0
    assert terminal.end() == 0
    assert (tmp_path / "made").read_text() == "red\n"
    assert stale(terminal) == []
    assert terminal.screen().count("answered: red (by ") == 1


def test_ctrl_c_during_an_action_leaves_no_stale_line(command: Command, tmp_path: Path) -> None:
    action = f'{{module: shell, params: {{cmd: "sleep 2; touch {tmp_path}/slow"}}}}'
    (tmp_path / "slow.yaml").write_text(
        f"version: 1\nname: slow\nsteps: [{{name: slow, check: {{path: {tmp_path}/slow}}, action: {action}}}]\n"
    )
    terminal = Terminal(command, "run", "-f", str(tmp_path / "slow.yaml"))
    terminal.child.expect("proposes 1 action.*shell on localhost")
    terminal.child.sendintr()
    assert terminal.end() == 6
    assert stale(terminal) == []


def test_status_on_a_narrow_terminal_keeps_a_loop_on_a_line(command: Command, tmp_path: Path) -> None:
    assert command.run("run", "-f", str(tmp_path / "made.yaml")).returncode == 8
    terminal = Terminal(command, "status", columns=60)
    assert terminal.end() == 0
    _, head, row = terminal.screen().splitlines()[:3]
    assert head.split()[:2] == ["LOOP", "STATE"]
    assert row.split()[:3] == ["made", "?", "waiting"]
    assert all(len(line) <= 60 for line in terminal.screen().splitlines()[:3])


def test_ctrl_c_at_a_question_stops_and_keeps_it(command: Command, tmp_path: Path) -> None:
    terminal = Terminal(command, "run", "-f", str(tmp_path / "made.yaml"))
    terminal.child.expect("Enter for blue")
    terminal.child.sendintr()
    assert terminal.end() == 8
    assert "Traceback" not in terminal.raw
    assert command.run("respond", "1", "red").returncode == 0
    assert command.run("run", "--resume", "made").returncode == 0
    assert (tmp_path / "made").read_text() == "red\n"


def test_no_color_disables_colours(command: Command, tmp_path: Path) -> None:
    terminal = Terminal(command, "run", "-f", str(tmp_path / "made.yaml"), "--non-interactive", NO_COLOR="1")
    assert terminal.end() == 0
    for colour in range(30, 38):
        assert f"\x1b[{colour}m" not in terminal.raw
        assert f";{colour}m" not in terminal.raw
