"""What was not observed is unknown: never in place, and never acted on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.deciders.manifest.decide import ManifestDecider
from ftl2_enterprise.loops.ports import ObservationResult
from tests.support.loops.manifests import decide, situation, steps

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.decision import Decision

NAMED = """observe:
  - {name: os, module: command, params: {cmd: uname}}
"""
HOLDS = {"rc": 0, "stdout": "", "stderr": ""}
ACTION = "action: {module: shell, params: {cmd: make}}"


def decision_about(step: str, *, named: dict[str, Any], check: dict[str, Any] = HOLDS) -> Decision:
    """The decision about one step, if the named observation and the check gave these results."""
    made = ManifestDecider(steps(step, before=NAMED))
    seen: list[ObservationResult] = []
    for spec in made.observations(()):
        result = named if spec.params.get("cmd") == "uname" else check
        ok = result.get("rc") == 0
        error = None if ok else "no such program"
        seen.append(ObservationResult(name=spec.name, host="localhost", success=ok, result=result, error=error))
    return decide(made, situation(seen))


SEEN = {"rc": 0, "stdout": "Linux", "stderr": ""}
FAILED = {"rc": 127, "stdout": "", "stderr": "no such program"}


@pytest.mark.parametrize(
    "step",
    [
        f"  - {{name: a, when: \"'Debian' in observed.os.stdout\", check: {{command: is-a}}, {ACTION}}}\n",
        f"  - {{name: a, when: \"'Debian' not in observed.os.stdout\", check: {{command: is-a}}, {ACTION}}}\n",
    ],
)
def test_a_step_that_reads_a_failed_observation_is_unknown(step: str) -> None:
    decision = decision_about(step, named=FAILED)
    assert not decision.converged
    assert decision.actions == []
    assert len(decision.unmet) == 1
    assert "os cannot be observed: no such program" in decision.unmet[0]


def test_a_condition_that_is_known_to_be_false_is_satisfied() -> None:
    step = f"  - {{name: a, when: \"'Debian' in observed.os.stdout\", check: {{command: is-a}}, {ACTION}}}\n"
    assert decision_about(step, named=SEEN).converged


@pytest.mark.parametrize("check", [{"timed_out": True, "stdout": "", "stderr": ""}, {}])
def test_a_check_without_a_result_is_unknown(check: dict[str, Any]) -> None:
    decision = decision_about(f"  - {{name: a, check: {{command: is-a}}, {ACTION}}}\n", named=SEEN, check=check)
    assert not decision.converged
    assert decision.actions == []


def test_a_check_that_fails_is_out_of_place() -> None:
    decision = decision_about(f"  - {{name: a, check: {{command: is-a}}, {ACTION}}}\n", named=SEEN, check=FAILED)
    assert [action.module for action in decision.actions] == ["shell"]


def test_what_is_unknown_is_distinguished_from_differences() -> None:
    checks = "".join(f"  - {{name: {name}, check: {{command: is-{name}}}, {ACTION}}}\n" for name in ("a", "b"))
    made = ManifestDecider(steps(checks))
    different, unknown = made.observations(())
    seen = [
        ObservationResult(name=different.name, host="localhost", success=False, result={"rc": 1}, error="rc 1"),
        ObservationResult(name=unknown.name, host="localhost", success=False, result={}, error="denied by policy"),
    ]
    decision = decide(made, situation(seen))
    assert len(decision.unmet) == 2
    assert decision.unknown == ["b on localhost: its check has no result: denied by policy"]
