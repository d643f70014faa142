"""Signals to `run` in each phase: a safe point after the first, now after the second, and nothing left behind.

Ctrl-C at a terminal reaches the whole process group of `run`, so that is what is signalled; `kill` reaches the
process alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support import process_marks
from tests.support.models import fake_claude
from tests.support.process_marks import rows
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.command import Command

STOPPED, WAITING = 6, 8

HOLD = (
    'echo {name} >> {base}/effects; setsid sleep 3000 & sh -c \'trap "" INT TERM HUP; while ! test -e {base}/release;'
    " do sleep 0.02; done'; kill $!"
)
"""Begins, breeds a child in a session of its own, does not listen to signals, and ends when it is released."""

ACTION = """
version: 1
name: held
steps:
  - name: slow
    check: {{path: "{base}/slow"}}
    action: {{module: shell, params: {{cmd: {hold}}}}}
  - name: after
    check: {{path: "{base}/after"}}
    action: {{module: shell, params: {{cmd: "echo after >> {base}/effects; touch {base}/after"}}}}
"""

LOOK = """
version: 1
name: held
steps:
  - name: after
    check: {{command: {look}}}
    action: {{module: shell, params: {{cmd: "echo after >> {base}/effects; touch {base}/after"}}}}
"""

QUESTION = """
version: 1
name: held
questions:
  - {{key: colour, question: "Which colour?"}}
steps:
  - name: after
    check: {{path: "{base}/after"}}
    action: {{module: shell, params: {{cmd: "echo {{{{ answers.colour }}}} >> {base}/effects; touch {base}/after"}}}}
"""

RULE = '''"""Makes the ruled file."""
observe = [{{"name": "ruled", "module": "command", "params": {{"cmd": "test -e {base}/after || echo missing"}}}}]

async def condition(state):
    return "missing" in state["ruled"]["stdout"]

async def action(ftl):
    await ftl.shell(cmd={hold})
    await ftl.shell(cmd="echo after >> {base}/effects; touch {base}/after")
'''

MODEL = """
open('{base}/effects', 'a').write('asked\\n')
if not os.path.exists('{base}/after'):
    while not os.path.exists('{base}/release'): time.sleep(0.02)
    action = {{'module': 'shell', 'params': {{'cmd': 'echo after >> {base}/effects; touch {base}/after'}}}}
    say(structured_output={{'reasoning': 'it is missing', 'actions': [action]}})
else:
    say(structured_output={{'reasoning': 'it is there', 'converged': True}})
"""


@dataclass
class Held:
    """A run in the middle of something that ends when it is released."""

    command: Command
    process: subprocess.Popen[str]

    @property
    def base(self) -> Path:
        return self.command.directory

    def send(self, sent: int) -> None:
        """As a terminal sends SIGINT and a supervisor SIGTERM."""
        if sent == signal.SIGINT:
            os.killpg(self.process.pid, sent)
        else:
            self.process.send_signal(sent)

    def hear(self, words: str) -> None:
        """Read what the run says until the words come."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if words in line:
                return
        raise AssertionError(f"the run ended without saying {words!r}")

    def release(self) -> None:
        (self.base / "release").touch()

    def end(self, seconds: float = 30.0) -> str:
        """What it said; it has ended within that time, and left nothing running."""
        out, err = self.process.communicate(timeout=seconds)
        assert process_marks.none_left(self.command, seconds=0 if self.process.returncode >= 0 else 15)
        assert "Traceback" not in out + err
        return out + err

    def effects(self) -> list[str]:
        file = self.base / "effects"
        return file.read_text().split() if file.exists() else []

    def resume(self, seconds: float = 60.0) -> list[str]:
        """Go on to the end; the effects that there were in all."""
        done = self.command.run("run", "--resume", "held", "--non-interactive", timeout=seconds)
        assert done.returncode == 0, done.stdout + done.stderr
        assert process_marks.none_left(self.command)
        return self.effects()

    def rows(self, query: str):
        return rows(self.command, query)


type Hold = Callable[..., Held]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Starts a run, and waits until it is in the middle."""
    command = process_marks.command(tmp_path)

    def start(*arguments: str, config: str = "", middle: Callable[[], object] | None = None, typed: bool = False):
        command.config = config
        process = subprocess.Popen(
            command.argv("run", *arguments, "--name", "held", *([] if typed else ["--non-interactive"])),
            env=command.environment(), cwd=tmp_path, stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        until((tmp_path / "effects").exists if middle is None else middle)
        return Held(command, process)

    with process_marks.cleared(command):
        yield start


def manifest(base: Path, text: str) -> str:
    cmd = '"' + HOLD.format(base=base, name="began").replace('"', '\\"') + f"; touch {base}/slow" + '"'
    look = f"echo look >> {base}/effects; while ! test -e {base}/release; do sleep 0.02; done; test -e {base}/after"
    (base / "manifest.yaml").write_text(text.format(base=base, hold=cmd, look=f'"{look}"'))
    return str(base / "manifest.yaml")


def rules(base: Path) -> str:
    folder = base / "rules"
    folder.mkdir()
    (folder / "ruled.py").write_text(RULE.format(base=base, hold=repr(HOLD.format(base=base, name="began"))))
    return str(folder)


def model(base: Path) -> str:
    return f'[model]\nprovider = "claude"\ncommand = "{fake_claude(base, MODEL.format(base=base))}"\n'


EACH = pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])


# --- during an action ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_lets_the_action_end_and_the_loop_goes_on_later_without_repeating(tmp_path, hold, sent):
    run = hold("-f", manifest(tmp_path, ACTION))
    run.send(sent)
    run.hear("stopping at the next safe point")
    run.release()
    said = run.end()
    assert run.process.returncode == STOPPED, said
    assert "stopped: loop held" in said
    assert "run --resume held" in said
    assert run.rows("select state from loops") == [("paused",)]
    assert run.rows("select state from actions order by n") == [("succeeded",), ("proposed",)]
    assert run.resume() == ["began", "after"]
    # The decision that was stored was gone on with.
    assert run.rows("select count(*) from iterations where outcome = 'acted'") == [(1,)]


@EACH
def test_two_signals_end_the_action_with_its_whole_tree_and_it_is_unknown(tmp_path, hold, sent):
    run = hold("-f", manifest(tmp_path, ACTION))
    run.send(sent)
    # The second must not arrive before the first is heard: the kernel would make one of them.
    run.hear("stopping at the next safe point")
    run.send(sent)
    said = run.end(seconds=10)
    assert run.process.returncode == STOPPED, said
    assert "run --resume held" in said
    assert run.rows("select state, error from actions where n = 1") == [("unknown", "stopped while it ran")]
    assert "after" not in run.effects()
    run.release()
    # It was looked at again, and found not to have done its work: it ran once more.
    assert run.resume() == ["began", "began", "after"]
    assert run.rows("select state, count(*) from actions group by state order by 1") == [
        ("skipped", 1), ("succeeded", 2), ("unknown", 1),
    ]  # fmt: skip


def test_a_storm_of_signals_is_no_more_than_two(tmp_path, hold):
    run = hold("-f", manifest(tmp_path, ACTION))
    run.send(signal.SIGINT)
    run.hear("stopping at the next safe point")
    while run.process.poll() is None:
        run.send(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.process.wait(timeout=0.001)
    said = run.end()
    # Where the last of it falls, Python itself is ending.
    assert run.process.returncode in {STOPPED, -signal.SIGINT}, said
    run.release()
    assert run.resume() == ["began", "began", "after"]


def test_one_signal_while_a_rule_fires_lets_its_call_end(tmp_path, hold):
    run = hold("the ruled file exists", "--decider", "rules", "--rules-dir", rules(tmp_path))
    run.send(signal.SIGTERM)
    run.hear("stopping at the next safe point")
    run.release()
    said = run.end()
    assert run.process.returncode == STOPPED, said
    assert run.rows("select state from actions where n = 1") == [("succeeded",)]
    run.resume()
    assert (tmp_path / "after").exists()
    assert run.effects().count("after") == 1


def test_two_signals_while_a_rule_fires_end_its_call(tmp_path, hold):
    run = hold("the ruled file exists", "--decider", "rules", "--rules-dir", rules(tmp_path))
    run.send(signal.SIGINT)
    run.hear("stopping at the next safe point")
    run.send(signal.SIGINT)
    said = run.end(seconds=10)
    assert run.process.returncode == STOPPED, said
    assert run.rows("select state from actions") == [("unknown",)]
    assert run.rows("select success from rule_results where fired") == [(0,)]
    run.release()
    run.resume()
    assert run.effects() == ["began", "began", "after"]


# --- while it looks ------------------------------------------------------------------------------------------------


def test_one_signal_while_it_looks_stops_before_anything_is_done(tmp_path, hold):
    run = hold("-f", manifest(tmp_path, LOOK))
    run.send(signal.SIGTERM)
    run.hear("stopping at the next safe point")
    run.release()
    said = run.end()
    assert run.process.returncode == STOPPED, said
    assert "after" not in run.effects()
    assert run.resume().count("after") == 1


def test_two_signals_while_it_looks_end_the_look(tmp_path, hold):
    run = hold("-f", manifest(tmp_path, LOOK))
    run.send(signal.SIGTERM)
    run.hear("stopping at the next safe point")
    run.send(signal.SIGTERM)
    said = run.end(seconds=10)
    assert run.process.returncode == STOPPED, said
    assert run.rows("select distinct state from observations where ended_at is null") == []
    run.release()
    assert run.resume().count("after") == 1


# --- during a model call -------------------------------------------------------------------------------------------


@EACH
def test_one_signal_during_a_model_call_keeps_its_answer_and_does_not_act_on_it(tmp_path, hold, sent):
    run = hold("it is there", config=model(tmp_path))
    run.send(sent)
    run.hear("stopping at the next safe point")
    run.release()
    said = run.end()
    assert run.process.returncode == STOPPED, said
    assert run.effects() == ["asked"]
    assert run.rows("select outcome from model_calls") == [("ok",)]
    assert run.rows("select state from actions") == [("proposed",)]
    # Paid for once: the answer is acted upon now, and only the confirmation is asked for.
    assert run.resume() == ["asked", "after", "asked"]


@EACH
def test_two_signals_during_a_model_call_end_the_program(tmp_path, hold, sent):
    run = hold("it is there", config=model(tmp_path))
    run.send(sent)
    run.hear("stopping at the next safe point")
    run.send(sent)
    said = run.end(seconds=10)
    assert run.process.returncode == STOPPED, said
    assert run.rows("select outcome, ended_at is null from model_calls") == [("unknown", 0)]
    assert run.rows("select count(*) from actions") == [(0,)]
    run.release()
    assert run.resume() == ["asked", "asked", "after", "asked"]


# --- while nothing happens -----------------------------------------------------------------------------------------


@EACH
def test_a_signal_while_it_rests_stops_at_once_and_keeps_the_time_of_the_next_run(tmp_path, hold, sent):
    for name in ("slow", "after"):
        (tmp_path / name).touch()
    run = hold(
        "-f", manifest(tmp_path, ACTION), "--mode", "continuous", "--interval", "600",
        middle=(tmp_path / "loops.db").exists,
    )  # fmt: skip
    run.hear("next look in")
    before = run.rows("select next_run_at from loops")
    run.send(sent)
    said = run.end(seconds=10)
    assert run.process.returncode == STOPPED, said
    assert "run --resume held" in said
    assert run.rows("select state from loops") == [("paused",)]
    assert run.rows("select next_run_at from loops") == before


@EACH
def test_a_signal_while_a_question_waits_keeps_the_question_open(tmp_path, hold, sent):
    run = hold("-f", manifest(tmp_path, QUESTION), middle=(tmp_path / "loops.db").exists, typed=True)
    run.hear("Which colour?")
    run.send(sent)
    said = run.end(seconds=10)
    # Not merely stopped: whoever started it is told that it waits, and for what.
    assert run.process.returncode == WAITING, said
    assert "run --resume held" in said
    ((question,),) = run.rows("select id from prompts where state = 'open'")
    assert f"respond {question}" in said
    answered = run.command.run("respond", str(question), "green")
    assert answered.returncode == 0, answered.stderr
    assert run.resume() == ["green"]
    assert run.rows("select count(*) from prompts") == [(1,)]


@pytest.mark.parametrize("moment", [0.01, 0.15, 0.3, 0.45])
def test_a_signal_while_it_starts_leaves_nothing_half_done(tmp_path, hold, moment):
    run = hold(
        "-f", manifest(tmp_path, QUESTION.replace("question:", "default: red, question:")), middle=lambda: True
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.process.communicate(timeout=moment)
    run.send(signal.SIGINT)
    out, err = run.process.communicate(timeout=30)
    # Before the program has begun the interpreter ends by the signal, or with 1, or cannot, while it imports.
    lost_by_python = run.process.returncode == 0 and "Exception ignored in" in err and "importlib" in err
    assert run.process.returncode in {STOPPED, -signal.SIGINT, 1, 130} or lost_by_python, out + err
    assert process_marks.none_left(run.command)
    again = run.command.run("run", "-f", str(tmp_path / "manifest.yaml"), "--name", "other", "--non-interactive")
    assert again.returncode == 0, again.stdout + again.stderr
    assert run.effects() == ["red"]


# --- kill -9 -------------------------------------------------------------------------------------------------------


def test_a_run_that_is_killed_takes_its_action_with_it(tmp_path, hold):
    run = hold("-f", manifest(tmp_path, ACTION))
    run.process.kill()
    run.end()
    assert run.rows("select n, state from actions order by n") == [(1, "running"), (2, "proposed")]
    run.release()
    assert run.resume() == ["began", "began", "after"]


def test_a_run_that_is_killed_takes_its_model_call_with_it(tmp_path, hold):
    run = hold("it is there", config=model(tmp_path))
    run.process.kill()
    run.end()
    run.release()
    assert run.resume() == ["asked", "asked", "after", "asked"]
    assert run.rows("select outcome from model_calls order by id") == [("unknown",), ("ok",), ("ok",)]


def test_a_run_that_is_killed_while_a_question_waits_keeps_the_question(tmp_path, hold):
    run = hold("-f", manifest(tmp_path, QUESTION), middle=(tmp_path / "loops.db").exists, typed=True)
    run.hear("Which colour?")
    run.process.kill()
    run.end()
    ((question,),) = run.rows("select id from prompts where state = 'open'")
    assert run.command.run("respond", str(question), "green").returncode == 0
    assert run.resume() == ["green"]
