"""What proposed actions would change: in a dry run, for remediation `never`, for rules, and for approvals."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.gate.effects import Fence
from ftl2_enterprise.loops.engine import foresee
from ftl2_enterprise.loops.rows import actions as action_rows, approvals as approval_rows, prompts as prompt_rows
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import Action, ActionState, LoopRemediation, Outcome
from ftl2_enterprise.store import texts
from tests.support.loops.engine import Bench, ScriptedDecider, ScriptedModules, bench, failed, forever, ok
from tests.support.loops.runs import iterations

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult

COPY = ActionSpec(module="ansible.builtin.copy", params={"dest": "/etc/a", "content": "new\n"})
SHELL = ActionSpec(module="shell", params={"cmd": "rm -rf /"})


def side(content: str) -> dict[str, Any]:
    return {"size": len(content), "mode": "0644", "content": content}


def would_write(call: ModuleCall) -> ModuleResult:
    """A host that has the file, with another content."""
    after = side(str(call.params.get("content", "")))
    return ok(changed=True, output={"diff": {"path": call.params["dest"], "before": side("old\n"), "after": after}})


def hosts(**groups: list[str]) -> ScriptedModules:
    modules = ScriptedModules(groups)
    modules.changes = would_write
    return modules


def stored(b: Bench) -> list[tuple[Action, str]]:
    with b.database.read() as tx:
        rows = [row for one in iterations(b) for row in action_rows.get_actions_for_iteration(tx, one.id)]
        return [(row, texts.whole(tx, row.diff)) for row in rows]


async def test_a_dry_run_stores_what_each_action_would_change(tmp_path: Path) -> None:
    modules = hosts()
    with bench(tmp_path, ScriptedDecider(Decision(actions=[COPY, SHELL])), modules=modules, dry_run=True) as b:
        loop = await b.run()
        (copy, shown), (shell, nothing) = stored(b)
        assert [one["diff"] for one in b.data("action.previewed")] == [shown, ""]
    assert (loop.outcome, modules.calls) == (Outcome.PREVIEWED, [])
    assert (copy.state, shell.state, nothing) == (ActionState.PREVIEWED, ActionState.PREVIEWED, "")
    assert shown == "--- /etc/a\n+++ /etc/a\n@@ -1 +1 @@\n-old\n+new"


async def test_it_is_found_out_by_a_call_in_check_mode_alone(tmp_path: Path) -> None:
    modules = hosts()
    with bench(tmp_path, ScriptedDecider(Decision(actions=[COPY])), modules=modules, dry_run=True) as b:
        await b.run()
    (call,) = modules.compared
    assert (call.fence, call.compare, dict(call.params)) == (Fence.CHECK_MODE, True, COPY.params)


async def test_each_host_has_its_own_difference(tmp_path: Path) -> None:
    modules = hosts(web1=["web"], web2=["web"])
    modules.changes = lambda call: would_write(call) if call.host == "web1" else ok(changed=False)
    action = ActionSpec(module="copy", params=COPY.params, host="web")
    with bench(tmp_path, ScriptedDecider(Decision(actions=[action])), modules=modules, dry_run=True) as b:
        await b.run()
        (_, one), (_, two) = stored(b)
    assert one.endswith("+new")
    assert two == "nothing would change"


@pytest.mark.parametrize(
    "why", ["/etc/a: Permission denied", "cannot reach web1 (root@10.0.0.1:22): the connection was refused"]
)
async def test_what_cannot_be_found_out_is_reported(tmp_path: Path, why: str) -> None:
    modules = hosts()
    modules.changes = lambda call: failed(why)
    with bench(tmp_path, ScriptedDecider(Decision(actions=[COPY])), modules=modules, dry_run=True) as b:
        loop = await b.run()
        ((row, shown),) = stored(b)
    assert (loop.outcome, row.state) == (Outcome.PREVIEWED, ActionState.PREVIEWED)
    assert shown == f"not known what it would change: {why}"


async def test_an_observation_that_policy_denies_is_not_made(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "rules:\n  - decision: deny\n    applies_to: [observations]\n    match: {module: copy}\n    reason: quiet\n"
    )
    modules = hosts()
    with bench(
        tmp_path, ScriptedDecider(Decision(actions=[COPY])), modules=modules, dry_run=True, policy=str(policy)
    ) as b:
        await b.run()
        ((_, shown),) = stored(b)
    assert modules.compared == []
    assert shown.startswith("not known what it would change: ")
    assert shown.endswith(": quiet")


async def test_parameters_without_check_mode_are_reported(tmp_path: Path) -> None:
    action = ActionSpec(module="template", params={"dest": "/etc/a", "content": "x", "validate": "visudo -cf %s"})
    modules = hosts()
    with bench(tmp_path, ScriptedDecider(Decision(actions=[action])), modules=modules, dry_run=True) as b:
        await b.run()
        ((_, shown),) = stored(b)
    assert modules.compared == []
    assert shown == "not known what it would change: these parameters have no check mode"


async def test_a_bound_secret_is_in_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "correct-horse-battery")
    modules = hosts()
    action = ActionSpec(module="copy", params={"dest": "/etc/a"})
    with bench(
        tmp_path,
        ScriptedDecider(Decision(actions=[action])),
        modules=modules,
        dry_run=True,
        secrets=["copy.content=KEY"],
    ) as b:
        await b.run()
        ((_, shown),) = stored(b)
        assert modules.compared[0].params["content"] == "correct-horse-battery"
    assert "-old" in shown
    assert "correct-horse" not in shown


async def test_remediation_never_shows_what_is_left_as_it_is(tmp_path: Path) -> None:
    modules = hosts()
    with bench(
        tmp_path, ScriptedDecider(Decision(actions=[COPY])), modules=modules, remediation=LoopRemediation.NEVER
    ) as b:
        loop = await b.run()
        ((_, shown),) = stored(b)
    assert (loop.outcome, modules.calls) == (Outcome.DRIFTED, [])
    assert shown.endswith("+new")


async def test_people_are_shown_what_they_approve(tmp_path: Path) -> None:
    modules = hosts()
    with bench(
        tmp_path,
        ScriptedDecider(Decision(actions=[COPY, SHELL])),
        modules=modules,
        remediation=LoopRemediation.ASK,
    ) as b:
        await b.run()
        with b.database.read() as tx:
            (prompt,) = prompt_rows.get_prompts(tx, b.loop_id)
            request = approval_rows.of_prompt(tx, prompt.id)
    assert request is not None
    assert modules.calls == []
    assert [(one.diff or "")[-4:] for one in request.actions] == ["+new", ""]


async def test_actions_that_run_are_not_compared(tmp_path: Path) -> None:
    modules = hosts()
    modules.handlers["ansible.builtin.copy"] = lambda call: ok(changed=True)
    decider = ScriptedDecider(Decision(actions=[COPY]), Decision(converged=True))
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
    assert modules.compared == []


async def test_all_differences_of_a_decision_fit_into_one_message(tmp_path: Path) -> None:
    count = 100
    modules = hosts(**{f"web{n}": ["web"] for n in range(count)})
    text = "".join(f"line {n}\n" for n in range(1000))
    action = ActionSpec(module="copy", params={"dest": "/etc/a", "content": text}, host="web")
    with bench(tmp_path, ScriptedDecider(Decision(actions=[action])), modules=modules, dry_run=True) as b:
        await b.run()
        shown = [text for _, text in stored(b)]
    assert len(shown) == count
    assert sum(map(len, shown)) < foresee.MOST + 100 * count
    assert all("more lines" in one for one in shown)


async def test_a_stop_does_not_wait_for_a_slow_host(tmp_path: Path) -> None:
    modules = hosts()
    with bench(tmp_path, ScriptedDecider(Decision(actions=[COPY])), modules=modules, dry_run=True) as b:

        async def slow(call: ModuleCall) -> ModuleResult:
            b.stop.ask()
            b.stop.ask()
            await forever()
            return ok()

        modules.changes = slow
        async with asyncio.timeout(20):
            await b.run()
        found = stored(b)
    assert [shown for _, shown in found] == ["not known what it would change: stopped"]
