"""kill -9 of `run` at every named fault point of an iteration, then `--resume`.

An independent witness counts: every effect appends a line to a file that only the effects write. Afterwards the end
state is right, nothing finished was done twice, what was in flight is `unknown`, and nothing acknowledged is lost.
"""

from __future__ import annotations

import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.faults import FaultPoint
from ftl2_enterprise.loops.fault_points import LoopFaultPoint as F
from tests.support.processes.command import Command

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version: 1
name: killed
questions:
  - {{key: colour, question: "Which colour?", options: [red, blue], default: blue}}
steps:
  - name: one
    check: {{path: {base}/one}}
    action: {{module: shell, params: {{cmd: "echo one >> {base}/effects && touch {base}/one"}}}}
  - name: two
    requires: [one]
    check: {{path: {base}/two}}
    action:
      module: shell
      params: {{cmd: "echo two >> {base}/effects && echo {{{{ answers.colour }}}} > {base}/two"}}
"""

RULE = '''"""Makes the ruled file."""
applies_to = "everything"
observe = [{{"name": "ruled", "module": "command", "params": {{"cmd": "test -e {base}/ruled || echo missing"}}}}]

async def condition(state):
    return "missing" in state["ruled"]["stdout"]

async def action(ftl):
    await ftl.shell(cmd="echo rule >> {base}/effects && touch {base}/ruled")
'''

MODEL = """#!/bin/sh
echo asked >> {base}/asked
cat > /dev/null
if test -e {base}/made; then
  answer='{{"converged": true, "reasoning": "made exists"}}'
else
  params='{{"cmd": "echo made >> {base}/effects && touch {base}/made"}}'
  answer='{{"reasoning": "make it", "actions": [{{"module": "shell", "params": '"$params"'}}]}}'
fi
usage='"usage": {{"input_tokens": 10, "output_tokens": 5}}, "total_cost_usd": 0.01'
printf '{{"type": "result", "subtype": "success", "is_error": false, "result": "", "structured_output": %s, %s}}' \
  "$answer" "$usage"
"""


def rows(database: Path, query: str):
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def killed_then_resumed(command: Command, fault: str, *arguments: str, name: str = "killed") -> None:
    """Run into the fault, check that it struck, and resume until converged."""
    command.creates_database = True
    died = command.run("run", *arguments, "--name", name, "--non-interactive", fault=f"{fault}=kill")
    assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    if not command.database.exists() or not rows(command.database, "select 1 from loops"):
        # The loop was never acknowledged: a new run is what a user does then.
        again = command.run("run", *arguments, "--name", name, "--non-interactive")
    else:
        again = command.run("run", "--resume", name, "--non-interactive")
    assert again.returncode == 0, again.stdout + again.stderr
    ((state, outcome),) = rows(command.database, "select state, outcome from loops")
    assert (state, outcome) == ("completed", "converged")
    in_flight = rows(
        command.database,
        "select 'action', id from actions where state in ('running', 'proposed')"
        " union all select 'observation', id from observations where state = 'running'"
        " union all select 'iteration', id from iterations where state <> 'ended'"
        " union all select 'call', id from model_calls where outcome is null",
    )
    assert in_flight == []


MANIFEST_POINTS = [
    f"{point}#{count}"
    for point, counts in {
        F.LOOP_CREATED: [1],
        F.LOOP_CLAIMED: [1],
        F.ITERATION_STARTED: [1, 2],
        F.OBSERVATION_DONE: [1, 2],
        F.OBSERVATIONS_RECORDED: [1],
        F.DECISION_RECORDED: [1],
        F.PROMPT_ASKED: [1],
        F.PROMPT_ANSWERED: [1],
        F.ACTION_STARTED: [1, 2],
        F.ACTION_DONE: [1, 2],
        F.ACTION_RECORDED: [1, 2],
        F.STATE_OPS_DONE: [1],
        F.ITERATION_ENDED: [1, 2],
        FaultPoint.BEFORE_COMMIT: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        FaultPoint.AFTER_COMMIT: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    }.items()
    for count in counts
]


@pytest.mark.parametrize("fault", MANIFEST_POINTS)
def test_a_manifest_loop_killed_at_any_point_converges_and_repeats_nothing(tmp_path, fault):
    (tmp_path / "manifest.yaml").write_text(MANIFEST.format(base=tmp_path))
    command = Command(tmp_path)
    killed_then_resumed(command, fault, "-f", str(tmp_path / "manifest.yaml"))
    assert (tmp_path / "effects").read_text().split() == ["one", "two"]
    assert (tmp_path / "two").read_text() == "blue\n"
    # Nothing acknowledged is lost: one question, one answer, and the event log has no hole.
    assert rows(command.database, "select count(*), min(answer) from prompts") == [(1, "blue")]
    ((events, last),) = rows(command.database, "select count(*), max(id) from events")
    assert events == last
    unknown = rows(command.database, "select count(*) from actions where state = 'unknown'")[0][0]
    in_flight = fault.startswith((F.ACTION_STARTED, F.ACTION_DONE))
    if in_flight:
        assert unknown == 1
    succeeded = rows(command.database, "select count(*) from actions where state = 'succeeded'")[0][0]
    # An action whose effect happened but whose outcome was lost is never shown as a success.
    assert succeeded + unknown >= 2


@pytest.mark.parametrize(
    "fault", [F.RULE_MATCHED, F.RULE_ACTION_STARTED, F.ACTION_STARTED, F.ACTION_DONE, F.ACTION_RECORDED, F.RULE_FIRED]
)
def test_a_rule_killed_while_firing_is_not_repeated_blindly(tmp_path, fault):
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "ruled.py").write_text(RULE.format(base=tmp_path))
    command = Command(tmp_path)
    killed_then_resumed(command, fault, "the ruled file exists", "--decider", "rules", "--rules-dir", str(rules))
    assert (tmp_path / "effects").read_text().split() == ["rule"]


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        # Twice in a healthy run, to act and to confirm; a third time only when the answer was lost.
        (F.MODEL_CALL_STARTED, 2),
        (F.MODEL_ANSWERED, 3),
        (F.DECISION_RECORDED, 2),
        (F.ACTION_STARTED, 3),
        (F.ACTION_DONE, 2),
        (F.ACTION_RECORDED, 2),
    ],
)
def test_a_stored_decision_costs_no_second_model_call(tmp_path, fault, asked):
    model = tmp_path / "model"
    model.write_text(MODEL.format(base=tmp_path))
    model.chmod(0o755)
    command = Command(tmp_path, config=f'[model]\nprovider = "claude"\ncommand = "{model}"\n')
    killed_then_resumed(command, fault, "make it")
    assert (tmp_path / "effects").read_text().split() == ["made"]
    assert len((tmp_path / "asked").read_text().split()) == asked
