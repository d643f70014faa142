"""Loops whose effects leave a witness, with which the database is compared.

Each effect appends a line with a token to a file of its loop, which nothing else writes, and prints the token.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.support.processes.process_marks import rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service.daemon import Daemon

STEPS = 6
HEAD = """
version: 1
name: {name}
steps:
"""
STEP = """
  - name: s{step}
    {requires}
    check: {{command: "grep -q '^s{step} ' {witness}"}}
    action: {{module: shell, params: {{cmd: "{effect}"}}}}
"""
EFFECT = "token=$(date +%s%N).$$; echo s{step} $token >> {witness}; echo $token"


def manifest(name: str, witness: Path, *, steps: int = STEPS, before: str = "") -> str:
    """Steps one after another; `before` is a command before each effect."""
    effect = f"{before}; {EFFECT}" if before else EFFECT
    parts = [
        STEP.format(
            step=step,
            witness=witness,
            requires=f"requires: [s{step - 1}]" if step else "",
            effect=effect.format(step=step, witness=witness),
        )
        for step in range(steps)
    ]
    return HEAD.format(name=name) + "".join(parts)


def hold_tokens(
    service: Daemon, name: str, witness: Path, *, unknown: int | None = None
) -> tuple[list[list[str]], set[str]]:
    """No effect that the database does not account for, no success that did not happen.

    Returns the steps and tokens of what happened, and the tokens of the successes.
    """
    happened = [line.split() for line in witness.read_text().splitlines()]
    tokens = [token for _, token in happened]
    assert len(set(tokens)) == len(tokens), f"{name}: an effect was repeated"
    actions = rows(
        service.run,
        "SELECT state, stdout FROM actions WHERE loop_id = (SELECT id FROM loops WHERE name = ?)",
        name,
    )
    done = [stdout.strip() for state, stdout in actions if state == "succeeded"]
    assert len(set(done)) == len(done)
    assert set(done) <= set(tokens), f"{name}: a success that did not happen"
    lost = sum(1 for state, _ in actions if state == "unknown")
    assert len(tokens) - len(done) <= lost, f"{name}: effects that are not in the database"
    assert unknown is None or lost == unknown, f"{name}: {actions}"
    return happened, set(done)


def hold_against(
    service: Daemon, name: str, witness: Path, *, steps: int = STEPS, unknown: int | None = None
) -> None:
    """The database's account of a loop against what really happened; `unknown` actions, when it is known how many."""
    happened, done = hold_tokens(service, name, witness, unknown=unknown)
    assert {step for step, _ in happened} == {f"s{step}" for step in range(steps)}, f"{name}: {happened}"
    succeeded = Counter(step for step, token in happened if token in done)
    assert all(number == 1 for number in succeeded.values()), f"{name}: done again: {succeeded}"
    # Once a step is known to be done, it is not done again: unknown effects came before.
    for step, _ in happened:
        of_step = [token in done for name_, token in happened if name_ == step]
        assert True not in of_step[:-1], f"{name}: {step} was done again after a success: {of_step}"


def whole_event_log(service: Daemon) -> bool:
    """Whether the ids of the facts have no hole."""
    ((count, first, last),) = rows(service.run, "SELECT count(*), min(id), max(id) FROM events")
    return count == last - first + 1


def nothing_open(service: Daemon) -> bool:
    """Whether nothing is recorded as being in progress, except what a loop was paused in the middle of."""
    left = rows(
        service.run,
        "SELECT 'action', id FROM actions WHERE state = 'running'"
        " OR (state = 'proposed' AND loop_id NOT IN (SELECT id FROM loops WHERE state = 'paused'))"
        " UNION ALL SELECT 'observation', id FROM observations WHERE state = 'running'"
        " UNION ALL SELECT 'iteration', id FROM iterations"
        " WHERE state <> 'ended' AND loop_id NOT IN (SELECT id FROM loops WHERE state = 'paused')"
        " UNION ALL SELECT 'call', id FROM model_calls WHERE outcome IS NULL",
    )
    assert left == []
    return True
