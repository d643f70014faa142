"""Manifests in tests: loading them, deciding on them, and a small engine that really runs what is decided."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest.load import load_text
from ftl2_enterprise.adapters.hosts.remote.observing.subjects import FUNCTIONS, observe
from ftl2_enterprise.gate.effects import HostIdentity
from ftl2_enterprise.loops.ports import (
    ModelCallLog,
    ModuleCall,
    ModuleResult,
    ObservationResult,
    PastIteration,
    PromptAnswer,
    Situation,
)
from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, IterationOutcome
from ftl2_enterprise.protocol.text import StoredText
from tests.support.loops.permitted import permit

if TYPE_CHECKING:
    from ftl2_enterprise.adapters.deciders.manifest.decide import ManifestDecider
    from ftl2_enterprise.adapters.deciders.manifest.plan import ManifestPlan
    from ftl2_enterprise.protocol.loops.decision import Decision

NOT_CALLED: Any = None
APPROVED = """
version: 1
name: approved
remediation: ask
steps:
  - name: one
    check: {{path: {base}/one}}
    action: {{module: shell, params: {{cmd: "echo one >> {base}/effects && touch {base}/one"}}}}
  - name: two
    check: {{path: {base}/two}}
    action: {{module: shell, params: {{cmd: "echo two >> {base}/effects && touch {base}/two"}}}}
"""
"""Two steps that people approve; each leaves a line in `effects` of the directory `base` when it is executed."""


def manifest(text: str, directory: Path = Path("/nowhere"), **variables: Any) -> ManifestPlan:
    return load_text(text, source="m.yaml", directory=directory, vars=variables)


def steps(text: str, directory: Path = Path("/nowhere"), before: str = "") -> ManifestPlan:
    return manifest(f"version: 1\nname: test\n{before}steps:\n{text}", directory)


def answer(key: str, text: str | None, by: str | None = "ana") -> PromptAnswer:
    return PromptAnswer(key=key, question=key, answer=text, answered_by=by)


def situation(
    seen: Sequence[ObservationResult] = (),
    answers: Sequence[PromptAnswer] = (),
    past: Sequence[PastIteration] = (),
    *,
    must_ask: bool = False,
    dry_run: bool = False,
    matched: Sequence[str] = (),
    rules: Sequence[tuple[str, str]] = (),
    unjudged: Sequence[tuple[str, str]] = (),
) -> Situation:
    return Situation(
        loop_id=1, desired_state="", iteration=len(past) + 1, max_iterations=10, seen=seen, state={}, hosts=(),
        resources=(), inventory=(), answers=answers, past=past, rules=rules, matched_rules=matched, unknown=(),
        must_ask=must_ask, dry_run=dry_run, unjudged_rules=unjudged,
    )  # fmt: skip


def decide(decider: ManifestDecider, given: Situation) -> Decision:
    journal: ModelCallLog = NOT_CALLED
    return asyncio.run(decider.decide(given, journal))


def failed(step: str, host: str = "localhost", error: str = "no space left") -> PastIteration:
    action = Action(
        id=1, loop_id=1, iteration_id=1, n=1, host=host, target=host, module="shell", params={},
        origin="decision", state=ActionState.FAILED, changed=None, rc=1, stdout=StoredText(), stderr=StoredText(),
        output=StoredText(), error=error, started_at=0, ended_at=0, step=step,
    )  # fmt: skip
    return PastIteration(n=1, reasoning="", outcome=IterationOutcome.ACTED, actions=[action])


def asked() -> PastIteration:
    return PastIteration(n=1, reasoning="", outcome=IterationOutcome.ASKED)


def run_here(call: ModuleCall) -> ModuleResult:
    """Runs shell, file and copy on this machine, with the standard library alone."""
    params = call.params
    try:
        match call.module:
            case "shell" | "command":
                return _shell(str(params["cmd"]), call.timeout)
            case "file":
                _file(params)
            case "copy":
                target = Path(params["dest"])
                target.write_bytes(str(params["content"]).encode())
                if "mode" in params:
                    target.chmod(int(params["mode"], 8))
            case other if other in FUNCTIONS:
                found = observe(other, dict(params))
                return ModuleResult(success=not found.get("failed"), output=found, error=found.get("msg"))
            case other:
                return ModuleResult(success=False, error=f"unknown module {other}")
    except OSError as error:
        return ModuleResult(success=False, error=str(error), output={"msg": str(error)})
    return ModuleResult(success=True, changed=True)


def _shell(cmd: str, timeout: float) -> ModuleResult:
    done = subprocess.run(["sh", "-c", cmd], capture_output=True, text=True, timeout=timeout, check=False)
    error = None if done.returncode == 0 else done.stderr or f"rc {done.returncode}"
    ok = done.returncode == 0
    return ModuleResult(
        success=ok, changed=True, rc=done.returncode, stdout=done.stdout, stderr=done.stderr, error=error
    )


def _file(params: Mapping[str, Any]) -> None:
    path = Path(params["path"])
    match params["state"]:
        case "directory":
            path.mkdir(parents=True, exist_ok=True)
        case "touch":
            path.touch()
        case "absent" if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        case "absent":
            path.unlink()
        case "link":
            if params.get("force") and path.is_symlink():
                path.unlink()
            path.symlink_to(params["src"])
        case _ if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
        case _:
            pass
    if "mode" in params and stat.S_IMODE(os.lstat(path).st_mode) != int(params["mode"], 8):
        path.chmod(int(params["mode"], 8))


type Run = Callable[[ModuleCall], ModuleResult]


def _call(module: str, params: dict[str, Any], host: str) -> ModuleCall:
    given = permit(HostIdentity(name=host), "", module, params)
    return ModuleCall(module=module, params=params, host=host, timeout=30, permit=given)


class SmallEngine:
    """Observes, decides and acts until the decider converges; answers questions from a mapping."""

    def __init__(self, decider: ManifestDecider, answers: Mapping[str, str | None], run: Run = run_here) -> None:
        self.decider = decider
        self.given_answers = answers
        self.run = run
        self.answers: list[PromptAnswer] = []
        self.decisions: list[Decision] = []
        self.results: list[ModuleResult] = []

    def observe(self) -> list[ObservationResult]:
        seen: list[ObservationResult] = []
        for spec in self.decider.observations(self.answers):
            for host in self.decider.expand(spec.host or "localhost"):
                result = self.run(_call(spec.module, spec.params, host))
                plain = dict(result.output) | {"stdout": result.stdout, "stderr": result.stderr}
                plain |= {"rc": result.rc} if result.rc is not None else {}
                seen.append(
                    ObservationResult(
                        name=spec.name, host=host, success=result.success, result=plain, error=result.error
                    )
                )
        return seen

    def iterate(self) -> Decision:
        decision = decide(self.decider, situation(self.observe(), self.answers))
        self.decisions.append(decision)
        if decision.ask is not None:
            key = decision.ask.key or ""
            self.answers.append(answer(key, self.given_answers[key]))
        elif not (decision.converged or decision.blocked):
            for action in decision.actions:
                for host in self.decider.expand(action.host or "localhost"):
                    call = _call(action.module, action.params, host)
                    self.results.append(self.run(call))
        return decision

    def converge(self, limit: int = 10) -> int:
        for n in range(1, limit + 1):
            decision = self.iterate()
            if decision.converged:
                return n
            assert decision.blocked is None, decision.blocked
        raise AssertionError([(d.reasoning, d.unmet) for d in self.decisions])
