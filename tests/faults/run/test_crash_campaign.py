"""kill -9 at random moments, again and again, until the loop has converged; then an independent witness counts.

Every effect appends a line with a token of its own to a file that only effects write, and prints the token as its
output. The database is compared with that file afterwards.
"""

from __future__ import annotations

import os
import random
import secrets
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import process_marks
from tests.support.processes.process_marks import rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes.command import Command

CAMPAIGNS = int(os.environ.get("FAULT_CAMPAIGNS", "3"))
SEED = os.environ.get("FAULT_SEED")
KILLS = 8
"""After so many the loop is left alone: then it has to converge."""

INVENTORY = """
all:
  hosts:
    left: {ansible_connection: local}
    right: {ansible_connection: local}
"""

EFFECT = (
    'token=$(date +%s%N).$$; echo "{{{{ host }}}} {name} $token" >> {base}/effects; echo $token;'
    " sleep 0.0{rest}; touch {base}/{{{{ host }}}}.d/{name}"
)

HEAD = """
version: 1
name: campaign
questions:
  - {{key: colour, question: "Which colour?", options: [red, blue], default: blue}}
steps:
  - name: folder
    host: all
    file: {{path: "{base}/{{{{ host }}}}.d", state: directory}}
  - name: colour
    host: all
    requires: [folder]
    copy: {{dest: "{base}/{{{{ host }}}}.d/colour", content: "{{{{ answers.colour }}}}"}}
"""

STEP = """
  - name: {name}
    host: {host}
    requires: [{after}]
    check: {{path: "{base}/{{{{ host }}}}.d/{name}"}}
    action: {{module: shell, params: {{cmd: '{effect}'}}}}
"""

EFFECTS = {
    "first": ("all", "folder"),
    "second": ("all", "first"),
    "third": ("all", "second"),
    "last": ("left", "third"),
}
EXPECTED = {
    (host, name) for name, (where, _) in EFFECTS.items() for host in ("left", "right") if where in {"all", host}
}


def manifest(base: Path, rng: random.Random) -> str:
    steps = [
        STEP.format(
            base=base, name=name, host=where, after=after,
            effect=EFFECT.format(base=base, name=name, rest=rng.randrange(10)),
        )
        for name, (where, after) in EFFECTS.items()
    ]  # fmt: skip
    return HEAD.format(base=base) + "".join(steps)


@dataclass
class Campaign:
    """One loop, killed again and again, and its output so far."""

    base: Path
    rng: random.Random
    kills: int = 0
    shown: int = 0
    """Changes that were shown at the terminal."""
    events: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])

    def start(self) -> tuple[Command, subprocess.Popen[str]]:
        """Resume the loop; begin it if no output has shown that it exists."""
        run = process_marks.command(self.base)
        run.creates_database = True
        words = ["--resume", "campaign"]
        if not self.exists(run):
            words = [
                "-f",
                str(self.base / "manifest.yaml"),
                "-i",
                str(self.base / "hosts.yaml"),
                "--name",
                "campaign",
            ]
        return run, run.start("run", *words, "--non-interactive")

    def exists(self, run: Command) -> bool:
        there = run.database.exists() and rows(run, "select 1 from sqlite_master where name = 'loops'")
        return bool(there and rows(run, "select 1 from loops"))

    def is_over(self, run: Command) -> bool:
        return self.exists(run) and rows(run, "select state from loops") == [("completed",)]

    def strike(self) -> bool:
        """Run, and kill at some moment; whether the loop is over, which it may be although its run was killed."""
        run, process = self.start()
        with process_marks.cleared(run):
            assert process.stdout is not None
            early = self.rng.random() < 0.15
            if not early:
                process.stdout.readline()  # the loop is about to begin
            try:
                out, err = process.communicate(timeout=self.rng.uniform(0.0, 0.5 if early else 0.7))
            except subprocess.TimeoutExpired:
                process.kill()
                if self.rng.random() < 0.25:
                    # The end of a container: processes that would have cleaned up are killed, too.
                    process_marks.kill_all(run)
                out, _ = process.communicate()
                self.kills += 1
                self.shown += Counter(line.split()[0] for line in out.splitlines() if line.strip())["changed"]
                assert process_marks.none_left(run, seconds=15)
                self.check_rows(run)
                return self.is_over(run)
        assert process.returncode == 0, out + err
        return True

    def finish(self) -> Command:
        """Leave the loop alone until it ends."""
        run, process = self.start()
        with process_marks.cleared(run):
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, out + err
            assert process_marks.none_left(run)
        return run

    def check_rows(self, run: Command) -> None:
        """What has to be true at every moment."""
        if not self.exists(run):
            assert self.events == [], "the loop was lost"
            return
        events = rows(run, "select * from events order by id")
        assert events[: len(self.events)] == self.events, "what was acknowledged is lost or changed"
        assert [event[0] for event in events] == list(range(1, len(events) + 1)), "the event log has a hole"
        self.events = events
        ((changed,),) = rows(run, "select count(*) from actions where changed")
        assert changed >= self.shown, "a change that was shown is not known any more"
        ((open_iterations,),) = rows(run, "select count(*) from iterations where ended_at is null")
        assert open_iterations <= 1
        ((in_flight,),) = rows(
            run,
            "select count(*) from actions a join iterations i on i.id = a.iteration_id"
            " where a.ended_at is null and i.ended_at is not null",
        )
        assert in_flight == 0, "an action is open in an iteration that has ended"


def effects(base: Path) -> list[tuple[str, str, str]]:
    """Host, name and token of every effect there was."""
    file = base / "effects"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(host, name, token) for host, name, token in (line.split() for line in lines)]


def step_of(summary: str) -> str:
    return next(name for name in EFFECTS if f".d/{name}" in summary)


def judge(base: Path, run: Command) -> None:
    """Hold the database against the witness."""
    happened = effects(base)
    times = Counter((host, name) for host, name, _ in happened)
    tokens = Counter(token for *_, token in happened)
    assert set(times) == EXPECTED, "an effect is missing, or was not requested"
    assert max(tokens.values()) == 1
    actions = rows(run, "select host, params, state, trim(stdout, char(10)) from actions where module = 'shell'")
    counted: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in EXPECTED}
    for host, params, state, stdout in actions:
        key = (host, step_of(params))
        counted[key][state] += 1
        if state == "succeeded":
            assert (*key, stdout) in happened, f"{key} is recorded as succeeded, and did not happen"
    for key, states in counted.items():
        assert set(states) <= {"succeeded", "unknown", "skipped"}, (key, states)
        # A success is never repeated; what happened in addition is what was in flight at a kill.
        assert states["succeeded"] <= 1, (key, states)
        assert states["succeeded"] <= times[key] <= states["succeeded"] + states["unknown"], (key, times[key], states)
    for host in ("left", "right"):
        assert (base / f"{host}.d" / "colour").read_text() == "blue"


def settled(run: Command) -> None:
    """The loop has ended, its counts are those of its rows, and nothing is left open."""
    assert rows(run, "pragma integrity_check") == [("ok",)]
    ((state, outcome, *counts),) = rows(
        run, "select state, outcome, iteration_count, action_count, changed_count, open_prompts from loops"
    )
    assert (state, outcome) == ("completed", "converged")
    assert counts == list(
        rows(
            run,
            "select (select count(*) from iterations), (select count(*) from actions),"
            " (select count(*) from actions where changed), (select count(*) from prompts where state = 'open')",
        )[0]
    )
    assert rows(run, "select count(*) from prompts") == [(1,)]
    for table in ("iterations", "actions", "observations", "model_calls"):
        assert rows(run, f"select count(*) from {table} where ended_at is null") == [(0,)], table
    shown = run.run("history", "campaign", "--actions")
    assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize("number", range(CAMPAIGNS))
def test_a_loop_that_is_killed_at_random_moments_converges_and_the_witness_agrees(tmp_path, number):
    seed = int(SEED) if SEED else secrets.randbits(32)
    print(f"campaign {number}: FAULT_SEED={seed}")
    rng = random.Random(seed)
    (tmp_path / "hosts.yaml").write_text(INVENTORY)
    (tmp_path / "manifest.yaml").write_text(manifest(tmp_path, rng))
    campaign = Campaign(tmp_path, rng)
    try:
        done = False
        while not done and campaign.kills < KILLS:
            done = campaign.strike()
        run = process_marks.command(tmp_path) if done else campaign.finish()
        campaign.check_rows(run)
        settled(run)
        judge(tmp_path, run)
    except AssertionError as error:
        error.add_note(f"repeat with: FAULT_SEED={seed} (kills: {campaign.kills}, rows in {tmp_path})")
        raise
    states = rows(run, "select state, count(*) from actions group by state")
    print(
        f"kills: {campaign.kills}, shown: {campaign.shown}, "
        f"actions: {dict(states)}, effects: {len(effects(tmp_path))}"
    )
