"""SIGINT and SIGTERM to `run` in each phase: the first stops at a safe point, the second at once; nothing is left.

Ctrl-C at a terminal reaches the whole process group of `run`, so that is what is signalled; `kill` reaches the
process alone.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess

import pytest

from tests.support.processes import process_marks
from tests.support.terminal.held_run import ACTION, OBSERVATION, QUESTION, STOPPED, WAITING, manifest, model, rules

EACH = pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_lets_the_action_finish_and_a_resume_repeats_nothing(tmp_path, hold, sent):
    run = hold("-f", manifest(tmp_path, ACTION))
    run.send(sent)
    run.hear("stopping at the next safe point")
    run.release()
    printed = run.end()
    assert run.process.returncode == STOPPED, printed
    assert "paused: loop held" in printed
    assert "run --resume held" in printed
    assert run.rows("select state from loops") == [("paused",)]
    assert run.rows("select state from actions order by n") == [("succeeded",), ("proposed",)]
    assert run.resume() == ["began", "after"]
    # The decision that was stored was gone on with.
    assert run.rows("select count(*) from iterations where outcome = 'acted'") == [(1,)]


@EACH
def test_two_signals_kill_the_process_tree_of_the_action_which_is_unknown(tmp_path, hold, sent):
    run = hold("-f", manifest(tmp_path, ACTION))
    run.send(sent)
    # The second must not arrive before the first is heard: the kernel would make one of them.
    run.hear("stopping at the next safe point")
    run.send(sent)
    printed = run.end(seconds=10)
    assert run.process.returncode == STOPPED, printed
    assert "run --resume held" in printed
    assert run.rows("select state, error from actions where n = 1") == [("unknown", "stopped while it ran")]
    assert "after" not in run.effects()
    run.release()
    # It was observed again, and found not to have done its work: it ran once more.
    assert run.resume() == ["began", "began", "after"]
    assert run.rows("select state, count(*) from actions group by state order by 1") == [
        ("skipped", 1), ("succeeded", 2), ("unknown", 1),
    ]  # fmt: skip


def test_many_signals_act_like_two(tmp_path, hold):
    run = hold("-f", manifest(tmp_path, ACTION))
    run.send(signal.SIGINT)
    run.hear("stopping at the next safe point")
    while run.process.poll() is None:
        run.send(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.process.wait(timeout=0.001)
    printed = run.end()
    # Where the last of it falls, Python itself is ending.
    assert run.process.returncode in {STOPPED, -signal.SIGINT}, printed
    run.release()
    assert run.resume() == ["began", "began", "after"]


def test_one_signal_while_a_rule_fires_lets_its_call_finish(tmp_path, hold):
    run = hold("the ruled file exists", "--decider", "rules", "--rules-dir", rules(tmp_path))
    run.send(signal.SIGTERM)
    run.hear("stopping at the next safe point")
    run.release()
    printed = run.end()
    assert run.process.returncode == STOPPED, printed
    assert run.rows("select state from actions where n = 1") == [("succeeded",)]
    run.resume()
    assert (tmp_path / "after").exists()
    assert run.effects().count("after") == 1


def test_two_signals_while_a_rule_fires_interrupt_its_call(tmp_path, hold):
    run = hold("the ruled file exists", "--decider", "rules", "--rules-dir", rules(tmp_path))
    run.send(signal.SIGINT)
    run.hear("stopping at the next safe point")
    run.send(signal.SIGINT)
    printed = run.end(seconds=10)
    assert run.process.returncode == STOPPED, printed
    assert run.rows("select state from actions") == [("unknown",)]
    assert run.rows("select success from rule_results where fired") == [(0,)]
    run.release()
    run.resume()
    assert run.effects() == ["began", "began", "after"]


def test_one_signal_during_an_observation_stops_before_any_action(tmp_path, hold):
    run = hold("-f", manifest(tmp_path, OBSERVATION))
    run.send(signal.SIGTERM)
    run.hear("stopping at the next safe point")
    run.release()
    printed = run.end()
    assert run.process.returncode == STOPPED, printed
    assert "after" not in run.effects()
    assert run.resume().count("after") == 1


def test_two_signals_during_an_observation_interrupt_it(tmp_path, hold):
    run = hold("-f", manifest(tmp_path, OBSERVATION))
    run.send(signal.SIGTERM)
    run.hear("stopping at the next safe point")
    run.send(signal.SIGTERM)
    printed = run.end(seconds=10)
    assert run.process.returncode == STOPPED, printed
    assert run.rows("select distinct state from observations where ended_at is null") == []
    run.release()
    assert run.resume().count("after") == 1


@EACH
def test_one_signal_during_a_model_call_stores_its_answer_without_executing_it(tmp_path, hold, sent):
    run = hold("it exists", config=model(tmp_path))
    run.send(sent)
    run.hear("stopping at the next safe point")
    run.release()
    printed = run.end()
    assert run.process.returncode == STOPPED, printed
    assert run.effects() == ["asked"]
    assert run.rows("select outcome from model_calls") == [("ok",)]
    assert run.rows("select state from actions") == [("proposed",)]
    # Paid for once: the answer is acted upon now, and only the confirmation is asked for.
    assert run.resume() == ["asked", "after", "asked"]


@EACH
def test_two_signals_during_a_model_call_kill_the_program(tmp_path, hold, sent):
    run = hold("it exists", config=model(tmp_path))
    run.send(sent)
    run.hear("stopping at the next safe point")
    run.send(sent)
    printed = run.end(seconds=10)
    assert run.process.returncode == STOPPED, printed
    assert run.rows("select outcome, ended_at is null from model_calls") == [("unknown", 0)]
    assert run.rows("select count(*) from actions") == [(0,)]
    run.release()
    assert run.resume() == ["asked", "asked", "after", "asked"]


@EACH
def test_a_signal_during_a_rest_stops_at_once_and_keeps_the_next_run_time(tmp_path, hold, sent):
    for name in ("slow", "after"):
        (tmp_path / name).touch()
    run = hold(
        "-f", manifest(tmp_path, ACTION), "--mode", "continuous", "--interval", "600",
        middle=(tmp_path / "loops.db").exists,
    )  # fmt: skip
    run.hear("next check in")
    before = run.rows("select next_run_at from loops")
    run.send(sent)
    printed = run.end(seconds=10)
    assert run.process.returncode == STOPPED, printed
    assert "run --resume held" in printed
    assert run.rows("select state from loops") == [("paused",)]
    assert run.rows("select next_run_at from loops") == before


@EACH
def test_a_signal_while_a_question_waits_keeps_the_question_open(tmp_path, hold, sent):
    run = hold("-f", manifest(tmp_path, QUESTION), middle=(tmp_path / "loops.db").exists, typed=True)
    run.hear("Which colour?")
    run.send(sent)
    printed = run.end(seconds=10)
    # Not merely stopped: the output shows that it waits, and for what.
    assert run.process.returncode == WAITING, printed
    assert "run --resume held" in printed
    ((question,),) = run.rows("select id from prompts where state = 'open'")
    assert f"respond {question}" in printed
    answered = run.command.run("respond", str(question), "green")
    assert answered.returncode == 0, answered.stderr
    assert run.resume() == ["green"]
    assert run.rows("select count(*) from prompts") == [(1,)]


@pytest.mark.parametrize("moment", [0.01, 0.15, 0.3, 0.45])
def test_a_signal_during_the_start_leaves_nothing_incomplete(tmp_path, hold, moment):
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
