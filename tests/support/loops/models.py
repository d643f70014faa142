"""What tests of deciding with a model share: situations, a recording journal, scripted models, fake programs."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.models.port import ModelReply, ModelRequest
from ftl2_enterprise.gate.budgets import Amount
from ftl2_enterprise.loops.ports import (
    ModelUsage,
    ObservationResult,
    PastIteration,
    PermittedCall,
    ProviderHealth,
    Situation,
)
from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, CallOutcome
from ftl2_enterprise.protocol.text import StoredText
from tests.support.loops.permitted import model_permit

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.gate.permits import Permit


def situation(**given: Any) -> Situation:
    """A quiet situation, changed by what is given."""
    quiet: dict[str, Any] = {
        "loop_id": 1, "desired_state": "nginx runs on web1", "iteration": 1, "max_iterations": 10, "seen": (),
        "state": {}, "hosts": (), "resources": (), "inventory": (), "answers": (), "past": (), "rules": (),
        "matched_rules": (), "unknown": (), "must_ask": False, "dry_run": False,
    }  # fmt: skip
    return Situation(**quiet | given)


def action(state: ActionState = ActionState.SUCCEEDED, **given: Any) -> Action:
    plain: dict[str, Any] = {
        "id": 1, "loop_id": 1, "iteration_id": 1, "n": 1, "host": "web1", "target": "web1", "module": "command",
        "params": {"cmd": "true"}, "origin": "decision", "state": state, "changed": None, "rc": None,
        "stdout": StoredText(), "stderr": StoredText(), "output": StoredText(), "error": None, "started_at": 1,
        "ended_at": 2,
    }  # fmt: skip
    return Action(**plain | given)


def past(n: int, outcome: str, *actions: Action, reasoning: str = "") -> PastIteration:
    return PastIteration(n=n, reasoning=reasoning, outcome=outcome, actions=actions)


def seen(
    name: str, success: bool = True, host: str = "web1", error: str | None = None, **result: Any
) -> ObservationResult:
    return ObservationResult(name=name, host=host, success=success, result=result, error=error)


@dataclass
class Recorded:
    purpose: str
    provider: str
    model: str | None
    request: str
    outcome: CallOutcome | None = None
    usage: ModelUsage | None = None
    latency: float | None = None
    response: str = ""
    error: str | None = None
    bound: Amount | None = None
    health: ProviderHealth | None = None


@dataclass
class RecordingCalls:
    """A CallJournal in memory; what was begun and not finished has no outcome."""

    calls: list[Recorded] = field(default_factory=list[Recorded])

    async def begin(
        self, *, purpose: str, provider: str, model: str | None, request: str, digest: str, bound: Amount
    ) -> PermittedCall:
        self.calls.append(Recorded(purpose, provider, model, request, bound=bound))
        return PermittedCall(len(self.calls) - 1, model_permit(provider, model, purpose, digest))

    def finish(
        self, call_id: int, outcome: CallOutcome, *, usage: ModelUsage, latency: float, response: str = "",
        error: str | None = None, health: ProviderHealth | None = None,
    ) -> None:  # fmt: skip
        call = self.calls[call_id]
        assert call.outcome is None, "finished twice"
        call.outcome, call.usage, call.latency, call.response, call.error = outcome, usage, latency, response, error
        call.health = health

    @property
    def outcomes(self) -> list[CallOutcome | None]:
        return [call.outcome for call in self.calls]


class ScriptedModel:
    """A Model that returns or raises what it is given, the last of it again and again."""

    provider = "scripted"
    model: str | None = "m-1"
    most_cost = 10_000
    """What a call may cost, in millionths of a US dollar: the cost of a `value`."""
    most_tokens = 12

    def __init__(self, *script: ModelReply | Exception | Callable[[], Exception]) -> None:
        self.requests: list[ModelRequest] = []
        self._script = script

    def bound(self, request: ModelRequest) -> Amount:
        return Amount(cost=self.most_cost, tokens=self.most_tokens)

    async def ask(self, request: ModelRequest, permit: Permit) -> ModelReply:
        request.require(permit, provider=self.provider, model=self.model)
        self.requests.append(request)
        step = self._script[min(len(self.requests), len(self._script)) - 1]
        if isinstance(step, ModelReply):
            return step
        raise step if isinstance(step, Exception) else step()


def value(given: Any) -> ModelReply:
    return ModelReply(value=given, usage=ModelUsage(input_tokens=10, output_tokens=2, cost_usd=0.01, model="m-1"))


def text(given: str) -> ModelReply:
    return ModelReply(text=given)


def fake_claude(folder: Path, body: str) -> str:
    """A program that stands in for claude: Python, with `argv`, `prompt` and `reply(...)` at hand."""
    path = folder / "claude"
    path.write_text(
        f"#!{sys.executable} -IS\n"
        "import json, os, sys, time\n"
        "argv, prompt = sys.argv[1:], sys.stdin.buffer.read().decode()\n"
        "def reply(**result):\n"
        "    print(json.dumps({'type': 'result', 'subtype': 'success', 'is_error': False} | result))\n"
        f"{body}\n"
    )
    path.chmod(0o755)
    return str(path)


def real_claude() -> str:
    """The program that the development dependency carries; skips the test where it is missing."""
    spec = importlib.util.find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        pytest.skip("the claude program is not here: claude-agent-sdk (a development dependency) is not installed")
    program = Path(spec.origin).parent / "_bundled" / "claude"
    if not program.is_file():
        pytest.skip(f"the claude program is not here: this claude-agent-sdk carries none ({program})")
    return str(program)


def processes_of_group(group: int) -> list[int]:
    """Living processes of a process group."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found
