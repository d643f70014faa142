"""A freeze of the service while a loop stalls at a fault point: nothing begins after the freeze was ordered.

Whatever a loop does appends the time to a separate file, which nothing else writes.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.loops.fault_points import LoopFaultPoint as F
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation, LoopState, Mode, Outcome, PromptKind
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ApprovePrompt, ListPrompts, PauseLoop
from ftl2_enterprise.protocol.service.verbs import FreezeEffects, ThawEffects
from tests.support.loops.models import fake_claude
from tests.support.loops.rules import RULED
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import daemon
from tests.support.service.stalls import Stalls
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from tests.support.service.daemon import Daemon

MANIFEST = """
version: 1
name: held
{questions}
steps:
  - name: one
    check: {{command: "date +%s.%N >> {base}/effects; test -e {base}/one"}}
    action: {{module: shell, params: {{cmd: "date +%s.%N >> {base}/effects; {answer}touch {base}/one"}}}}
"""
QUESTION = """questions:
  - {key: colour, question: "Which colour?", options: [red, blue]}"""
MODEL = """
import re
base = re.search("made in (/\\\\S+)", prompt)[1]
def begin():
    with open(base + "/effects", "a") as file:
        file.write(str(time.time()) + chr(10))
begin()
while os.path.exists(base + "/wait"):
    time.sleep(0.02)
if os.path.exists(base + "/made"):
    reply(structured_output={"converged": True, "reasoning": "it exists"})
else:
    command = "date +%s.%N >> " + base + "/effects; touch " + base + "/made"
    action = {"module": "shell", "params": {"cmd": command}}
    reply(structured_output={"reasoning": "make it", "actions": [action]})
"""
POINTS: dict[str, Sequence[F]] = {
    "manifest": (
        F.LOOP_CLAIMED, F.ITERATION_STARTED, F.OBSERVATION_DONE, F.OBSERVATIONS_RECORDED, F.DECISION_RECORDED,
        F.ACTION_STARTED, F.ACTION_DONE, F.ACTION_RECORDED, F.STATE_OPS_DONE, F.ITERATION_ENDED,
    ),
    "question": (F.PROMPT_ASKED, F.PROMPT_ANSWERED),
    "approval": (F.APPROVAL_ASKED, F.APPROVAL_CHECKED, F.APPROVAL_USED),
    "rule": (F.RULE_MATCHED, F.RULE_ACTION_STARTED, F.RULE_FIRED),
    "model": (F.MODEL_CALL_STARTED, F.MODEL_ANSWERED),
    "continuous": (F.LOOP_RESTING,),
}  # fmt: skip
"""Every point that a loop of the service reaches, except `model-call-queued`."""


@dataclass
class HeldLoop:
    """One loop of a kind, with its own directory."""

    service: Daemon
    kind: str
    name: str
    base: Path

    def submit(self) -> None:
        self.base.mkdir(exist_ok=True)
        spec: dict[str, Any] = {}
        text = MANIFEST.format(base=self.base, questions="", answer="")
        match self.kind:
            case "question":
                answer = "echo {{ answers.colour }}; "
                text = MANIFEST.format(base=self.base, questions=QUESTION, answer=answer)
            case "approval":
                spec = {"remediation": LoopRemediation.ASK}
            case "rule":
                (self.base / "rules").mkdir()
                (self.base / "rules" / "ruled.py").write_text(RULED.format(base=self.base))
                text, spec = "it is ruled", {"decider": "rules", "rules_dir": str(self.base / "rules")}
            case "model":
                text, spec = f"made in {self.base}", {"observers": []}
            case "continuous":
                spec = {"mode": Mode.CONTINUOUS, "interval": 0.3, "max_iterations": 1000}
            case _:
                pass
        self.service.submit(self.name, text, **spec)

    def effects(self) -> list[float]:
        """When each effect began, in seconds since the epoch."""
        witness = self.base / "effects"
        return [float(line) for line in witness.read_text().split()] if witness.exists() else []

    def answer(self) -> None:
        """What a person does: every question is answered, and every approval given."""
        for line in self.service.call(ListPrompts()):
            if line.prompt.kind is PromptKind.APPROVAL:
                self.service.call(ApprovePrompt(prompt=line.prompt.id))
            else:
                self.service.call(AnswerPrompt(prompt=line.prompt.id, answer="red"))

    def is_held(self) -> bool:
        self.answer()
        return self.service.loop(self.name).frozen_by is not None

    def is_over(self) -> bool:
        self.answer()
        loop = self.service.loop(self.name)
        assert loop.state is not LoopState.FAILED, loop.reason
        if self.kind == "continuous" and (self.base / "one").exists():
            self.service.call(PauseLoop(loop=self.name))
            return True
        return loop.outcome is Outcome.CONVERGED


CASES = [(kind, point) for kind, points in POINTS.items() for point in points]


@contextmanager
def stalling(directory: Path, points: Sequence[F]) -> Generator[tuple[Daemon, Stalls]]:
    """A service with a model that is called once at a time."""
    stalls = Stalls(directory, points)
    program = fake_claude(directory, MODEL)
    with daemon(directory, more=f'[model]\nprovider = "claude"\ncommand = "{program}"\nparallel = 1\n') as service:
        service.start(fault=stalls.fault)
        yield service, stalls
        assert service.stop() == 0


def stalled(service: Daemon, stalls: Stalls, kind: str, point: F, name: str) -> HeldLoop:
    """A loop that stalls at the point; what it began before has ended."""
    loop = HeldLoop(service, kind, name, service.directory / name)
    stalls.stall_at(point)
    loop.submit()
    until(lambda: loop.answer() or stalls.has_begun(point))
    return loop


def test_nothing_begins_after_the_freeze_wherever_a_loop_is(tmp_path: Path) -> None:
    with stalling(tmp_path, [point for _, point in CASES]) as (service, stalls):
        for kind, point in CASES:
            loop = stalled(service, stalls, kind, point, f"held-at-{point}")
            service.call(FreezeEffects(scope=FreezeScope.ALL, reason="incident"))
            frozen = time.time()
            before = loop.effects()
            stalls.stall_at(point)
            until(loop.is_held)
            stalls.let_pass(point)
            assert loop.effects() == before, f"{point}: begun {loop.effects()[-1] - frozen} s after the freeze"
            assert rows(service.run, "SELECT count(*) FROM iterations WHERE state <> 'ended'") == [(0,)], point
            assert rows(service.run, "SELECT count(*) FROM actions WHERE state IN ('running', 'proposed')") == [(0,)]
            assert rows(service.run, "SELECT count(*) FROM model_calls WHERE outcome IS NULL") == [(0,)]
            service.call(ThawEffects())
            until(lambda loop=loop, before=before: loop.answer() or len(loop.effects()) > len(before))
            until(loop.is_over)


def test_without_a_freeze_the_same_loops_begin_something(tmp_path: Path) -> None:
    with stalling(tmp_path, [point for _, point in CASES]) as (service, stalls):
        for kind, point in CASES:
            loop = stalled(service, stalls, kind, point, f"free-at-{point}")
            before = loop.effects()
            stalls.stall_at(point)
            until(lambda loop=loop, before=before: loop.answer() or len(loop.effects()) > len(before))
            stalls.let_pass(point)
            until(loop.is_over)


def test_a_model_call_that_waits_for_its_turn_does_not_begin_either(tmp_path: Path) -> None:
    with stalling(tmp_path, [F.MODEL_CALL_QUEUED]) as (service, stalls):
        first = HeldLoop(service, "model", "first", tmp_path / "first")
        (tmp_path / "first").mkdir()
        (tmp_path / "first" / "wait").touch()
        first.submit()
        until(first.effects)
        second = stalled(service, stalls, "model", F.MODEL_CALL_QUEUED, "second")
        service.call(FreezeEffects(scope=FreezeScope.ALL, reason="incident"))
        stalls.stall_at(F.MODEL_CALL_QUEUED)
        (tmp_path / "first" / "wait").unlink()
        until(lambda: first.is_held() and second.is_held())
        stalls.let_pass(F.MODEL_CALL_QUEUED)
        assert (len(first.effects()), second.effects()) == (1, [])
        service.call(ThawEffects())
        until(lambda: first.is_over() and second.is_over())
