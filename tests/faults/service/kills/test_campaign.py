"""Loops of every standing while their service is shot at: every 200 ms one of its processes is killed.

Each effect appends a line to a file of its loop, which nothing else writes. When it is over, those files are the
witness: what the database calls done was done once, what was requested exists, and every loop is where it belongs.
"""

from __future__ import annotations

import fcntl
import os
import random
import secrets
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode, Outcome
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ListPrompts, PauseLoop, ResumeLoop
from tests.support.processes import killing
from tests.support.processes.process_marks import none_left, rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.effects_oracle import (
    EFFECT,
    HEAD,
    STEPS,
    hold_against,
    hold_tokens,
    manifest,
    nothing_open,
    whole_event_log,
)
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

LOOPS = int(os.environ.get("FAULT_LOOPS", "24"))
SECONDS = float(os.environ.get("FAULT_SECONDS", "8"))
SEED = os.environ.get("FAULT_SEED")
EVERY = 0.2
ROUND = ["root", "forkserver", *["control", "writer", "spare"] * 2, *["loop"] * 4]
"""What is shot at, in an order that is drawn anew for each round."""
LEAST = 3
"""Kills of each kind without which nothing is proved."""
SETTLE = 60.0 + LOOPS
"""Seconds within which every loop has to converge after the last kill."""
QUESTION = """\
questions:
  - {key: colour, question: "Which colour?", options: [red, blue]}
steps:"""
KEPT = (
    HEAD
    + """
  - name: s0
    check: {{path: {flag}, state: file}}
    action: {{module: shell, params: {{cmd: "{effect}; touch {flag}"}}}}
"""
)
QUIET = ("paused", "waiting", "resting")


@dataclass
class Gun:
    """Kills, and what systemd does when root is dead. It calls no process, so it continues whichever one is dead."""

    service: Daemon
    rng: random.Random
    landed: Counter[str] = field(default_factory=Counter[str])
    """Kills of a process that lived."""
    left: list[str] = field(default_factory=list[str])
    """Of this round."""

    def kill_one(self) -> None:
        process = self.service.process
        assert process is not None
        assert process.poll() is None, f"the service ended on its own: {self.service.output.read_text()[-2000:]}"
        self.left = self.left or self.rng.sample(ROUND, len(ROUND))
        if self.left[0] == "root":
            process.kill()
            assert process.wait(10) == -signal.SIGKILL
            self.service.spawn()
            self._count("root")
            return
        there = killing.children(process.pid)
        # Who is dead already is shot at later.
        kind = next((kind for kind in self.left if there.get(kind)), None)
        if kind is not None and killing.kill(self.rng.choice(there[kind])):
            self._count(kind)

    def _count(self, kind: str) -> None:
        self.left.remove(kind)
        self.landed[kind] += 1

    @property
    def has_hit_all(self) -> bool:
        return all(self.landed[kind] >= LEAST for kind in ROUND)


@dataclass
class Loops:
    """Loops of every standing, with the files of their effects."""

    service: Daemon
    directory: Path

    def __post_init__(self) -> None:
        continuous = max(2, LOOPS // 6)
        self.continuous: list[str] = [f"kept{n}" for n in range(continuous)]
        self.single: list[str] = [f"single{n}" for n in range(LOOPS - continuous - len(QUIET))]
        for name in (*self.single, *self.continuous, *QUIET):
            self.witness(name).touch()

    def witness(self, name: str) -> Path:
        return self.directory / f"{name}.witness"

    def effects(self, *names: str) -> int:
        return sum(len(self.witness(name).read_text().splitlines()) for name in names)

    def drift(self) -> None:
        """Undo what the continuous ones keep."""
        for name in self.continuous:
            self._flag(name).unlink(missing_ok=True)

    def _flag(self, name: str) -> Path:
        return self.directory / f"{name}.flag"

    def _kept(self, name: str) -> str:
        effect = EFFECT.format(step=0, witness=self.witness(name))
        return KEPT.format(name=name, flag=self._flag(name), effect=effect)

    def begin(self, gate: Path) -> None:
        """Submit them, once the quiet ones are where they are to stay. The single ones end after the gate."""
        call, submit = self.service.call, self.service.submit
        submit("resting", self._kept("resting"), mode=Mode.CONTINUOUS, interval=3600)
        text = manifest("waiting", self.witness("waiting"), before="test {{{{ answers.colour }}}} = red")
        submit("waiting", text.replace("steps:", QUESTION))
        submit("paused", manifest("paused", self.witness("paused")))
        call(PauseLoop(loop="paused"))
        for name, state in (("paused", LoopState.PAUSED), ("waiting", LoopState.WAITING)):
            self.service.until_state(name, state)
        until(lambda: (line := self.service.lines()["resting"]).state is LoopState.RESTING and line.pid is None)
        for name in self.continuous:
            submit(name, self._kept(name), mode=Mode.CONTINUOUS, interval=0.3, max_iterations=1000)
        # A loop that reaches the last step stays in the middle of it until the kills have ended.
        held = f"case s{{step}} in s{STEPS - 1}) flock --shared {gate} true;; esac"
        for name in self.single:
            submit(name, manifest(name, self.witness(name), before=held), max_iterations=1000)
        self.quiet_before: list[tuple[object, ...]] = self.quiet()

    def quiet(self) -> list[tuple[object, ...]]:
        """All that may not change for the quiet ones: where they are, their effects, and the question."""
        found = rows(
            self.service.run,
            "SELECT name, state, desired, next_run_at, run, crashes, open_prompts FROM loops"
            f" WHERE name IN {QUIET} ORDER BY name",
        )
        prompts = rows(self.service.run, "SELECT id, state, question FROM prompts")
        return [*found, *prompts, *((name, self.witness(name).read_text()) for name in QUIET)]

    def at_work(self) -> dict[str, int]:
        """How many of the single and of the continuous ones are in an iteration."""
        found = rows(
            self.service.run,
            "SELECT mode, count(*) FROM loops JOIN iterations ON iterations.loop_id = loops.id"
            " WHERE iterations.state <> 'ended' AND loops.state = 'running' GROUP BY mode",
        )
        return dict(found)

    def end(self) -> None:
        """Every loop gets where it belongs, and has done what is in the database."""
        call, until_state = self.service.call, self.service.until_state
        until(self._all_single_completed, seconds=SETTLE)
        assert self.quiet() == self.quiet_before
        for name in self.continuous:
            before = self.effects(name)
            self._flag(name).unlink(missing_ok=True)
            until(lambda name=name, before=before: self.effects(name) > before)
        (line,) = call(ListPrompts())
        call(AnswerPrompt(prompt=line.prompt.id, answer="red"))
        call(ResumeLoop(loop="paused"))
        for name in self.continuous:
            call(PauseLoop(loop=name))
        for name in ("paused", "waiting"):
            assert until_state(name, LoopState.COMPLETED, LoopState.FAILED).outcome is Outcome.CONVERGED
        for name in self.continuous:
            until_state(name, LoopState.PAUSED)
        for name in (*self.single, "paused", "waiting"):
            hold_against(self.service, name, self.witness(name))
        for name in (*self.continuous, "resting"):
            hold_tokens(self.service, name, self.witness(name))
        assert nothing_open(self.service)

    def _all_single_completed(self) -> bool:
        lines = self.service.lines()
        assert not [(line.name, line.reason) for line in lines.values() if line.state is LoopState.FAILED]
        return all(lines[name].state is LoopState.COMPLETED for name in self.single)


@pytest.mark.timeout(SECONDS + 3 * SETTLE + 120)
def test_nothing_is_lost_and_nothing_acknowledged_is_repeated(tmp_path: Path) -> None:
    seed = int(SEED) if SEED else secrets.randbits(32)
    print(f"seed {seed}")
    gate = tmp_path / "gate"
    with gate.open("w") as held, daemon(tmp_path, supervisor="restart_limit = 1000\nrestart_delay = 0.05") as service:
        fcntl.flock(held, fcntl.LOCK_EX)
        service.start()
        loops = Loops(service, tmp_path)
        loops.begin(gate)
        killer = Gun(service, random.Random(seed))
        began, effects, hit = time.monotonic(), 0, None
        # A busy machine takes longer to be back between two shots: then it is shot at for longer, until every kind of
        # process was killed several times and loops continued their work after that.
        while (now := time.monotonic()) < began + SECONDS or hit is None or effects <= hit:
            assert now < began + SECONDS + SETTLE, (
                f"the service was hardly ever there: {killer.landed}, {effects} effects"
            )
            loops.drift()
            killer.kill_one()
            effects = loops.effects(*loops.single, *loops.continuous)
            if hit is None and killer.has_hit_all:
                hit = effects
            time.sleep(max(0.0, now + EVERY - time.monotonic()))
        at_work = loops.at_work()
        print(f"killed {dict(killer.landed)} in {now - began:.1f} s, at work then {at_work}, {effects} effects")
        assert all(killer.landed[kind] >= LEAST for kind in ROUND)
        assert at_work.get(Mode.SINGLE, 0) > 0, "all of it was done before the fire was over"
        fcntl.flock(held, fcntl.LOCK_UN)
        until(service.answers)
        loops.end()
        assert whole_event_log(service)
        assert service.stop() == 0
        assert none_left(service.run, seconds=5)
