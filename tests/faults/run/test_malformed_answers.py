"""Model programs with malformed answers: one clear message, one iteration, every call recorded, nothing executed."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.loops.models import fake_claude
from tests.support.processes import process_marks
from tests.support.processes.process_marks import rows
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes.command import Command

MODEL_FAILED = 5
TOUCH = "touch = {'module': 'shell', 'params': {'cmd': 'touch MADE'}}\n"
"""Gives the program an action that would leave a witness; MADE is its path."""


class Answer(NamedTuple):
    """What the program does, how its calls end, and a part of the sentence that the user reads."""

    body: str
    outcomes: tuple[str, ...]
    message: str


TWICE = ("malformed", "malformed")

MALFORMED: dict[str, Answer] = {
    # --- not an answer at all
    "prose": Answer("print('I am fine, thank you')", TWICE, "contains no complete JSON object"),
    "nothing": Answer("", TWICE, "the answer is empty"),
    "an empty result": Answer("reply(result='')", TWICE, "the answer is empty"),
    "null": Answer("print('null')", TWICE, "not null"),
    "a list": Answer("reply(structured_output=[touch])", TWICE, "not a list"),
    "a list for output": Answer("print(json.dumps([touch]))", TWICE, "not a list"),
    "a number": Answer("reply(structured_output=42)", TWICE, "not a number"),
    "prose with braces": Answer(
        "reply(result='In {curly} words { \"actions\" or {} } run ' + json.dumps(touch) + ' at once }')",
        TWICE,
        "cannot use the answer",
    ),
    "two decisions": Answer(
        "reply(result='Either ' + json.dumps({'converged': True}) + ' or ' + json.dumps({'actions': [touch]}))",
        TWICE,
        "several different decisions",
    ),
    "truncated": Answer("print(json.dumps({'type': 'result', 'result': [touch]})[:-9])", TWICE, "no complete JSON"),
    "truncated inside": Answer("reply(result=json.dumps({'actions': [touch]})[:-2])", TWICE, "complete JSON object"),
    "five megabytes of text": Answer("reply(result='word ' * 1_000_000)", TWICE, "characters; the limit is"),
    "five megabytes of braces": Answer("print('{' * 5_000_000)", TWICE, "cannot use the answer"),
    "twenty megabytes": Answer("print('x' * 20_000_000)", TWICE, "cannot use the answer"),
    "not UTF-8": Answer(
        "os.write(1, b'\\xff\\xfe{\"converged\": true\\x80, \"reasoning\": \"\\xc3')", TWICE, "cannot use"
    ),
    "half a pair of surrogates": Answer(
        "reply(structured_output={'converged': True, 'reasoning': '\\ud800'})", TWICE, "cannot be stored"
    ),
    # --- JSON, but no decision that can be acted upon
    "nulls": Answer("reply(structured_output={'converged': None, 'actions': None})", TWICE, "not fit the schema"),
    "no decision in it": Answer("reply(structured_output={'reasoning': 'hm'})", TWICE, "nothing is decided"),
    "an action without module": Answer(
        "reply(structured_output={'actions': [touch, {'params': {}}]})", TWICE, "`module`"
    ),
    "an action with an empty module": Answer(
        "reply(structured_output={'actions': [touch, {'module': ' '}]})", TWICE, "module is empty"
    ),
    "params as text": Answer(
        "reply(structured_output={'actions': [{'module': 'shell', 'params': 'touch MADE'}]})", TWICE, "got `str`"
    ),
    "converged and actions": Answer(
        "reply(structured_output={'converged': True, 'actions': [touch]})", TWICE, "exclude each other"
    ),
    "converged as text": Answer("reply(structured_output={'converged': 'yes'})", TWICE, "Expected `bool`"),
    "a key twice": Answer("""reply(result='{"converged": true, "converged": false}')""", TWICE, "cannot use"),
    "params nested without end": Answer(
        "deep = '[' * 2000 + ']' * 2000\n"
        "print(json.dumps({'type': 'result', 'structured_output': {'actions': [touch | {'x': 'DEEP'}]}})"
        ".replace('\"DEEP\"', deep))",
        TWICE,
        "nested more than 30 deep",
    ),
    "a number without end": Answer(
        "reply(structured_output={'actions': [touch | {'params': {'cmd': 'touch MADE', 'n': 10 ** 400}}]})",
        TWICE,
        "does not fit into 64 bits",
    ),
    # --- the program fails
    "it exits with 1": Answer("sys.exit('the moon is full')", ("failed",), "status 1: the moon is full"),
    "it exits in silence": Answer("sys.exit(3)", ("failed",), "ended with status 3"),
    "it is killed": Answer("os.kill(os.getpid(), 9)", ("failed",), "ended with signal 9"),
    "error and success at once": Answer(
        "reply(is_error=True, subtype='success', result='out of luck', structured_output={'actions': [touch]})",
        ("failed",),
        "cannot get an answer from claude: out of luck",
    ),
    "it never ends": Answer("time.sleep(600)", ("timed_out",), "took more than 1.5 seconds and was killed"),
    "it answers and never ends": Answer(
        "reply(structured_output={'actions': [touch]})\nsys.stdout.flush()\ntime.sleep(600)",
        ("timed_out",),
        "took more than 1.5 seconds and was killed",
    ),
    "it floods and never ends": Answer(
        "while True: os.write(1, b'{\"' * 30_000)", ("timed_out",), "took more than 1.5 seconds and was killed"
    ),
    "it breeds and never ends": Answer(
        "import subprocess\nfor _ in range(20): subprocess.Popen(['sleep', '600'])\ntime.sleep(600)",
        ("timed_out",),
        "took more than 1.5 seconds and was killed",
    ),
}  # fmt: skip


def asked(folder: Path, body: str, *, retries: int = 0):
    """A run that asks the program; marked, so that what it leaves can be found."""
    program = fake_claude(folder, (TOUCH + body).replace("MADE", str(folder / "made")))
    config = f'[model]\nprovider = "claude"\ncommand = "{program}"\ntimeout = 1.5\nretries = {retries}\n'
    run = process_marks.command(folder, config=config)
    return run, run.run("run", "the file exists", "--name", "malformed", "--non-interactive")


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_answer_is_one_clear_sentence_and_nothing_is_executed(tmp_path, kind):
    body, outcomes, message = MALFORMED[kind]
    run, done = asked(tmp_path, body)
    with process_marks.cleared(run):
        assert done.returncode == MODEL_FAILED, done.stdout + done.stderr
        assert process_marks.none_left(run)
    assert "Traceback" not in done.stdout + done.stderr
    ((state, outcome, reason, iterations, cost),) = rows(
        run, "select state, outcome, reason, iteration_count, cost_usd from loops"
    )
    assert (state, outcome, iterations) == ("failed", "model_failed", 1)
    assert reason.startswith("cannot ")
    assert "\n" not in reason
    assert len(reason) < 1000
    assert message in reason
    # The user reads that very sentence as the last word.
    assert f"model failed: loop malformed: {reason}" in done.stdout
    assert rows(run, "select state, outcome, error from iterations") == [("ended", "model_failed", reason)]
    calls = rows(run, "select purpose, outcome, ended_at is null, error is null from model_calls order by id")
    assert calls == [
        (purpose, outcome, 0, 0) for purpose, outcome in zip(("decide", "repair"), outcomes, strict=False)
    ]
    assert cost == 0
    assert rows(run, "select count(*) from actions") == [(0,)]
    assert not (tmp_path / "made").exists()
    assert run.database.stat().st_size < 12_000_000


GOOD = """
if os.path.exists('MADE'): reply(structured_output={'converged': True, 'reasoning': 'it exists'})
else: reply(structured_output={'actions': [{'module': 'shell', 'params': {'cmd': 'echo done >> MADE'}}]})
"""


def test_the_loop_resumes_once_the_model_program_is_repaired(tmp_path):
    run, done = asked(tmp_path, "print('malformed')")
    assert done.returncode == MODEL_FAILED
    assert "run --resume malformed" in done.stdout
    fake_claude(tmp_path, GOOD.replace("MADE", str(tmp_path / "made")))
    again = run.run("run", "--resume", "malformed", "--non-interactive")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (tmp_path / "made").read_text() == "done\n"
    assert rows(run, "select outcome from iterations order by n") == [("model_failed",), ("acted",), ("converged",)]
    assert rows(run, "select distinct outcome from model_calls") == [("malformed",), ("ok",)]


def test_one_repair_round_corrects_a_malformed_answer(tmp_path):
    slip = f"""
if not os.path.exists('{tmp_path}/slipped'):
    open('{tmp_path}/slipped', 'w').close()
    reply(result='Sure! I will do that.', total_cost_usd=0.25)
    sys.exit()
"""
    run, done = asked(tmp_path, slip + GOOD)
    assert done.returncode == 0, done.stdout + done.stderr
    calls = rows(run, "select purpose, outcome from model_calls order by id")
    assert calls == [("decide", "malformed"), ("repair", "ok"), ("decide", "ok")]
    assert rows(run, "select iteration_count, cost_usd from loops") == [(2, 0.25)]


def test_a_killed_model_program_is_retried_within_the_iteration(tmp_path):
    fragile = f"""
if not os.path.exists('{tmp_path}/killed'):
    open('{tmp_path}/killed', 'w').close()
    os.kill(os.getpid(), {signal.SIGKILL})
"""
    run, done = asked(tmp_path, fragile + GOOD, retries=1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(run, "select outcome from model_calls order by id") == [("failed",), ("ok",), ("ok",)]
    assert rows(run, "select iteration_count from loops") == [(2,)]


def stands(run: Command, condition: str) -> bool:
    """Whether the loop exists, and is in that state."""
    there = run.database.exists() and rows(run, "select 1 from sqlite_master where name = 'loops'")
    return bool(there and rows(run, f"select 1 from loops where {condition}"))


def test_a_broken_model_program_fails_the_run_of_a_continuous_loop_and_not_the_loop(tmp_path):
    program = fake_claude(tmp_path, "print('malformed')")
    config = (
        f'[model]\nprovider = "claude"\ncommand = "{program}"\nretries = 0\n'
        "[loops]\njitter = 0.0\n"
    )  # fmt: skip
    run = process_marks.command(tmp_path, config=config)
    arguments = ("--name", "goes-on", "--mode", "continuous", "--interval", "0.3", "--non-interactive")
    with process_marks.cleared(run):
        process = run.start("run", "the file exists", *arguments)
        until(lambda: stands(run, "failures >= 2"))
        fake_claude(tmp_path, GOOD.replace("MADE", str(tmp_path / "made")))
        until(lambda: stands(run, "condition = 'in_sync' and failures = 0"))
        process.terminate()
        out, err = process.communicate(timeout=30)
        assert process.returncode == 6, out + err
        assert process_marks.none_left(run)
    assert (tmp_path / "made").read_text() == "done\n"
