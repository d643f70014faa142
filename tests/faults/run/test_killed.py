"""kill -9 of `run` ends its action, its model call or its wait for an answer."""

from __future__ import annotations

from tests.support.terminal.held_run import ACTION, QUESTION, manifest, model


def test_killing_a_run_ends_its_action(tmp_path, hold):
    run = hold("-f", manifest(tmp_path, ACTION))
    run.process.kill()
    run.end()
    assert run.rows("select n, state from actions order by n") == [(1, "running"), (2, "proposed")]
    run.release()
    assert run.resume() == ["began", "began", "after"]


def test_killing_a_run_ends_its_model_call(tmp_path, hold):
    run = hold("it exists", config=model(tmp_path))
    run.process.kill()
    run.end()
    run.release()
    assert run.resume() == ["asked", "asked", "after", "asked"]
    assert run.rows("select outcome from model_calls order by id") == [("unknown",), ("ok",), ("ok",)]


def test_killing_a_run_keeps_its_open_question(tmp_path, hold):
    run = hold("-f", manifest(tmp_path, QUESTION), middle=(tmp_path / "loops.db").exists, typed=True)
    run.hear("Which colour?")
    run.process.kill()
    run.end()
    ((question,),) = run.rows("select id from prompts where state = 'open'")
    assert run.command.run("respond", str(question), "green").returncode == 0
    assert run.resume() == ["green"]
