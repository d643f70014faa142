"""Rules that are bound to loops, labels or hosts. Their process is a real one; the loop's process refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.deciders.rules_only import RulesDecider
from ftl2_enterprise.loops.rows import observations as observation_rows, rules as rule_rows
from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, ObservationState, Outcome
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok
from tests.support.loops.rules import write_rule
from tests.support.loops.runs import actions, iterations, known

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.nouns import Action, Observation
    from ftl2_enterprise.protocol.loops.rules import RuleResult
    from tests.support.loops.engine import Bench

DONE = Decision(converged=True)
HOSTS = {"web01": ["web"], "web02": ["web"], "db01": ["data"]}
NONE = "the rule one applies to the hosts web, and db01 is none of them"
WEB = {"hosts": "web"}


def with_rule(tmp_path: Path, decider: Any = None, **spec: Any):
    modules = ScriptedModules(HOSTS)
    modules.handlers["touch"] = lambda call: ok(changed=True)
    given = decider or ScriptedDecider(DONE)
    return bench(tmp_path, given, modules=modules, rules_dir=str(tmp_path / "rules"), **spec)


@dataclass(frozen=True)
class Fired:
    """A run with one rule, and what it has recorded."""

    bench: Bench
    actions: list[Action]
    results: list[RuleResult]

    @property
    def touched(self) -> list[str]:
        return [call.host for call in self.bench.modules.ran("touch")]


async def fired(tmp_path: Path, action: str, **spec: Any) -> Fired:
    """A run with one rule that is bound to the group `web`."""
    write_rule(tmp_path / "rules", "one", applies_to=WEB, action=action)
    with with_rule(tmp_path, **spec) as b:
        await b.run()
        with b.database.read() as tx:
            results = rule_rows.get_rule_results(tx, iterations(b)[0].id)
        return Fired(b, actions(b), results)


@pytest.mark.parametrize(
    ("applies_to", "fires"),
    [
        ("everything", True),
        ({"loops": "w*"}, True),
        ({"loops": ["shop", "blog"]}, False),
        ({"labels": {"tier": "web"}}, True),
        ({"labels": {"tier": "data"}}, False),
        ({"hosts": "mail"}, False),
        ({"loops": "web", "labels": {"tier": "web"}, "hosts": "localhost"}, True),
        ({"loops": "web", "labels": {"tier": "data"}, "hosts": "localhost"}, False),
    ],
)
async def test_a_rule_fires_in_the_loops_that_it_applies_to(tmp_path: Path, applies_to: object, fires: bool) -> None:
    observe = 'observe = [{"name": "page", "module": "stat"}]'
    write_rule(tmp_path / "rules", "one", applies_to=applies_to, head=observe, action="await ftl.touch()")
    with with_rule(tmp_path, labels={"tier": "web"}) as b:
        await b.run()
        assert len(b.modules.ran("touch")) == fires
        assert len(b.modules.ran("stat")) == (2 if fires else 0)
        situation = b.decider.situations[0]
        assert [name for name, _ in situation.rules] == (["one"] if fires else [])


async def test_a_rule_that_states_nothing_fires_nowhere(tmp_path: Path) -> None:
    path = write_rule(tmp_path / "rules", "one", action="await ftl.touch()")
    path.write_text(path.read_text().replace("applies_to = 'everything'", ""))
    with with_rule(tmp_path, RulesDecider()) as b:
        loop = await b.run()
        (broken,) = b.data("rule.broken")
    assert loop.outcome is Outcome.NOT_CONVERGED
    assert (loop.reason or "").startswith(
        "cannot evaluate rule one: it does not state what it applies to; add applies_to"
    )
    assert broken["rule"] == "one"


async def test_a_disabled_rule_is_named_when_no_other_applies(tmp_path: Path) -> None:
    write_rule(tmp_path / "rules", "fix", applies_to="everything")
    (tmp_path / "rules" / "rules.json").write_text('{"disabled": ["fix"]}')
    with with_rule(tmp_path, RulesDecider()) as b:
        loop = await b.run()
    assert loop.reason == "No rule applies to this loop, so nothing was checked; disabled: fix."


async def test_a_loop_of_rules_of_which_none_applies_is_not_reported_as_converged(tmp_path: Path) -> None:
    write_rule(tmp_path / "rules", "one", applies_to={"loops": "other"})
    with with_rule(tmp_path, RulesDecider()) as b:
        loop = await b.run()
    assert (loop.outcome, loop.reason) == (
        Outcome.NOT_CONVERGED, "No rule applies to this loop, so nothing was checked.",
    )  # fmt: skip


@pytest.mark.parametrize(
    "action",
    [
        "await ftl['db01'].touch()",
        "await ftl['data'].touch()",
        "await ftl.run_on('db01', 'touch')",
        "await ftl._perform('touch', {}, 'db01')",
    ],
)
async def test_a_call_of_another_host_is_denied_and_recorded(tmp_path: Path, action: str) -> None:
    found = await fired(tmp_path, action)
    (row,) = found.actions
    assert (row.host, row.state, row.error) == ("db01", ActionState.DENIED, NONE)
    (result,) = found.results
    assert (result.success, result.detail) == (False, NONE)
    assert found.touched == []


async def test_a_call_of_all_hosts_is_made_on_its_own_ones_only(tmp_path: Path) -> None:
    found = await fired(tmp_path, "await ftl.run_on(['web', 'db01', 'localhost'], 'touch')")
    assert [(row.host, row.state) for row in found.actions] == [
        ("web01", ActionState.SUCCEEDED),
        ("web02", ActionState.SUCCEEDED),
        ("db01", ActionState.DENIED),
        ("localhost", ActionState.DENIED),
    ]
    assert found.touched == ["web01", "web02"]


async def test_a_rule_all_of_whose_calls_are_denied_lets_the_iteration_end_as_denied(tmp_path: Path) -> None:
    write_rule(tmp_path / "rules", "one", applies_to=WEB, action="await ftl['db01'].touch()")
    with with_rule(tmp_path, max_iterations=1) as b:
        loop = await b.run()
        assert [one.outcome for one in iterations(b)] == [IterationOutcome.DENIED]
    assert loop.outcome is Outcome.DENIED


async def test_a_dry_run_denies_it_too(tmp_path: Path) -> None:
    found = await fired(tmp_path, "await ftl.run_on(['web01', 'db01'], 'touch')", dry_run=True)
    assert [(row.host, row.state) for row in found.actions] == [
        ("web01", ActionState.PREVIEWED), ("db01", ActionState.DENIED),
    ]  # fmt: skip


async def test_a_rule_sees_the_targets_that_it_may_call(tmp_path: Path) -> None:
    found = await fired(tmp_path, "await ftl['web01'].touch(names=' '.join(ftl.hosts))")
    (call,) = found.bench.modules.ran("touch")
    assert call.params == {"names": "web web01 web02"}


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("ftl.add_host('web09', ansible_host='192.0.2.9', groups=['web'])", "registers none"),
        ("ftl.state.add_host('db01', groups=['web'])", "registers none"),
        ("ftl.state.remove('db01')", "cannot remove the host db01: the rule one applies to the hosts web"),
    ],
)
async def test_a_rule_that_is_bound_to_hosts_gets_no_other_ones(tmp_path: Path, action: str, reason: str) -> None:
    found = await fired(tmp_path, f"{action}; await ftl['web09'].touch(); await ftl['db01'].touch()")
    (refused,) = found.bench.data("state.refused")
    assert reason in refused["reason"]
    assert found.touched == []
    hosts = found.bench.modules.groups
    assert ("web09" in hosts, hosts["db01"]) == (False, ("data",))


async def test_it_may_remember_resources(tmp_path: Path) -> None:
    write_rule(
        tmp_path / "rules",
        "one",
        applies_to=WEB,
        action="ftl.state.add_resource('r', {'a': 1}); ftl.state.remove('x')",
    )
    with with_rule(tmp_path) as b:
        await b.run()
        assert known(b)[1] == {"r": {"a": 1}}
        assert b.data("state.refused") == []


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("web01", {"web01": ObservationState.SUCCEEDED}),
        ("db01", {"db01": ObservationState.DENIED}),
        ("data", {"db01": ObservationState.DENIED}),
        (None, {"localhost": ObservationState.DENIED}),
    ],
)
async def test_it_observes_no_other_host(tmp_path: Path, host: str | None, seen: dict[str, ObservationState]) -> None:
    observe = f"observe = [{{'name': 'page', 'module': 'shell', 'params': {{'cmd': 'x'}}, 'host': {host!r}}}]"
    write_rule(tmp_path / "rules", "one", applies_to=WEB, head=observe, condition="return False")
    with with_rule(tmp_path) as b:
        await b.run()
        with b.database.read() as tx:
            rows: Sequence[Observation] = observation_rows.get_observations(tx, iterations(b)[0].id)
    assert {row.host: row.state for row in rows} == seen
    assert [call.host for call in b.modules.ran("shell")] == [
        name for name, state in seen.items() if state is ObservationState.SUCCEEDED
    ]
    for row in rows:
        if row.state is ObservationState.DENIED:
            assert (row.error or "").startswith("the rule one applies to the hosts web, and ")
