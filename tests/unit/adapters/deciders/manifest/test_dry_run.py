"""A dry run shows every level of `requires`, and what it cannot know."""

from __future__ import annotations

from ftl2_enterprise.adapters.deciders.manifest.decide import ManifestDecider
from ftl2_enterprise.loops.ports import ObservationResult
from tests.support.loops.manifests import decide, situation, steps


def step(name: str, *requires: str) -> str:
    needs = f"requires: [{', '.join(requires)}], " if requires else ""
    action = f"action: {{module: shell, params: {{cmd: make-{name}}}}}"
    return f"  - {{name: {name}, {needs}check: {{command: is-{name}}}, {action}}}\n"


def seen_of(made: ManifestDecider, **status: int | None) -> list[ObservationResult]:
    """What the checks gave: their exit status by step, None for no result; 1 by default."""
    found: list[ObservationResult] = []
    for spec in made.observations(()):
        rc = status.get(str(spec.params["cmd"]).removeprefix("is-"), 1)
        result = {} if rc is None else {"rc": rc, "stdout": "", "stderr": ""}
        error = None if rc == 0 else "it failed"
        found.append(ObservationResult(name=spec.name, host="localhost", success=rc == 0, result=result, error=error))
    return found


def test_every_level_is_listed_in_order() -> None:
    made = ManifestDecider(steps(step("c", "b") + step("b", "a") + step("a") + step("d")))
    decision = decide(made, situation(seen_of(made, d=0), dry_run=True))
    assert [action.params["cmd"] for action in decision.actions] == ["make-a", "make-b", "make-c"]
    assert decision.reasoning == "Of 4 steps, would change: a; then b; then c."


def test_outside_of_a_dry_run_only_the_first_level_acts() -> None:
    made = ManifestDecider(steps(step("b", "a") + step("a")))
    decision = decide(made, situation(seen_of(made)))
    assert [action.params["cmd"] for action in decision.actions] == ["make-a"]


def test_a_step_that_waits_for_what_cannot_be_known_is_named() -> None:
    made = ManifestDecider(steps(step("a") + step("b", "a")))
    decision = decide(made, situation(seen_of(made, a=None), dry_run=True))
    assert decision.actions == []
    assert decision.reasoning == "Of 2 steps, none would change. Not known: a. 1 step waits for required steps: b."
    assert decision.unmet[-1] == "b on localhost: waits for a on localhost, which cannot be known in a dry run"


def test_every_step_that_waits_is_counted_once() -> None:
    made = ManifestDecider(steps(step("a") + step("b", "a") + step("c", "a", "b") + step("d")))
    decision = decide(made, situation(seen_of(made, a=None), dry_run=True))
    assert decision.reasoning == "Of 4 steps, would change: d. Not known: a. 2 steps wait for required steps: b, c."
