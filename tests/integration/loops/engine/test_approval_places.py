"""An approval is bound to where the paths of its actions lead, on every host, at every moment."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, LoopRemediation, LoopState
from ftl2_enterprise.store.freeze_files import FreezeFiles
from tests.support.loops.approving import approve, asking, latest, rows
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, failed, ok

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult
    from tests.support.loops.engine import Bench

DONE = Decision(converged=True)
AUTO: dict[str, Any] = {"observers": [], "remediation": LoopRemediation.AUTO}
COMMANDS = "rules:\n- {decision: ask, match: {module: command}, reason: any command}\n"


@contextlib.asynccontextmanager
async def real(tmp_path: Path) -> AsyncGenerator[Any]:
    modules = Ftl2Modules(inventory_files.load(None), work_dir=tmp_path / "work", redact=str)
    try:
        yield modules
    finally:
        await modules.close()


def policy(tmp_path: Path, text: str) -> str:
    path = tmp_path / "policy.yml"
    path.write_text(text.replace("TMP", str(tmp_path)))
    return str(path)


def touch(path: str, host: str = "localhost") -> ActionSpec:
    return ActionSpec(module="command", params={"cmd": f"touch {path}"}, host=host)


def resolving(answer: Callable[[ModuleCall], ModuleResult]) -> ScriptedModules:
    modules = ScriptedModules({"a": [], "b": []})
    modules.handlers |= {"resolve_paths": answer, "command": lambda _: ok(changed=True)}
    return modules


def leading(call: ModuleCall) -> ModuleResult:
    """`/link` leads to `/strict`."""
    return ok(output={"resolved": {path: [path.replace("/link", "/strict")] for path in call.params["paths"]}})


def voided(b: Bench) -> list[str]:
    return [one["reason"] for one in b.data("approval.voided")]


async def test_an_approval_of_one_place_is_not_one_of_another_that_needs_the_same_people(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "link").symlink_to("one")
    asked = [
        f"- {{decision: ask, match: {{param.path: TMP/{one}/*}}, reason: database {one}}}\n" for one in ("one", "two")
    ]
    rules = "rules:\n" + "".join(asked) + COMMANDS.partition("\n")[2]
    async with real(tmp_path) as modules:
        decider = ScriptedDecider(lambda _: Decision(actions=[touch(f"{tmp_path}/link/x")]))
        with asking(tmp_path, decider, modules=modules, policy=policy(tmp_path, rules), **AUTO) as b:
            await b.run()
            assert "database one" in (latest(b).actions[0].asks or "")
            approve(b)
            (tmp_path / "link").unlink()
            (tmp_path / "link").symlink_to("two")
            assert (await b.run()).state is LoopState.WAITING
            assert "where their paths lead changed" in voided(b)[0]
            assert "database two" in (latest(b).actions[0].asks or "")
    assert list((tmp_path / "two").iterdir()) == []


async def test_a_link_that_is_changed_after_the_approval_was_used_is_noticed_before_the_call(tmp_path: Path) -> None:
    calls = 0

    def changing(call: ModuleCall) -> ModuleResult:
        nonlocal calls
        calls += 1
        # The first two answers are for the question and for using the approval.
        return ok(
            output={"resolved": {path: ["/db/one" if calls <= 2 else "/db/two"] for path in call.params["paths"]}}
        )

    rules = COMMANDS + "- {decision: ask, match: {param.path: /db/*}}\n"
    modules = resolving(changing)
    decider = ScriptedDecider(lambda _: Decision(actions=[touch("/link", "a")]))
    with asking(tmp_path, decider, modules=modules, policy=policy(tmp_path, rules), **AUTO) as b:
        await b.run()
        approve(b)
        await b.run()
        [row] = rows(b)
    assert row.state is ActionState.DENIED
    assert row.error == "denied: where its paths lead changed since people approved it"
    assert modules.ran("command") == []


async def test_people_see_each_rule_also_of_actions_that_are_allowed_as_written(tmp_path: Path) -> None:
    rules = (
        "rules:\n- {decision: ask, match: {param.path: /strict/*}, reason: strict}\n"
        "- {decision: ask, match: {module: copy}, reason: copies}\n"
    )
    copy = ActionSpec(module="copy", params={"content": "a", "dest": "/ok/x"}, host="a")
    decider = ScriptedDecider(lambda _: Decision(actions=[copy, touch("/link/x", "a")]))
    with asking(tmp_path, decider, modules=resolving(leading), policy=policy(tmp_path, rules), **AUTO) as b:
        await b.run()
        assert [one.asks is not None for one in latest(b).actions] == [True, True]
        assert "strict" in (latest(b).actions[1].asks or "")


async def test_people_are_not_asked_if_policy_denies_finding_out_where_paths_lead(tmp_path: Path) -> None:
    rules = (
        "rules:\n- {decision: deny, match: {class: files}, applies_to: observations}\n"
        "- {decision: ask, match: {param.path: TMP/d/*}}\n"
    )
    async with real(tmp_path) as modules:
        decider = ScriptedDecider(Decision(actions=[touch(f"{tmp_path}/d/x")]), DONE)
        with asking(tmp_path, decider, modules=modules, policy=policy(tmp_path, rules), **AUTO) as b:
            assert (await b.run()).state is not LoopState.WAITING
            [row] = rows(b)
    assert row.state is ActionState.DENIED
    assert "cannot resolve paths on localhost for a policy rule: denied by policy rule 1" in (row.error or "")


async def test_a_host_that_answers_only_sometimes_does_not_block_the_others(tmp_path: Path) -> None:
    answers = 0

    def flapping(call: ModuleCall) -> ModuleResult:
        nonlocal answers
        if call.host != "b":
            return leading(call)
        answers += 1
        return leading(call) if answers == 1 else failed("cannot reach b")

    rules = COMMANDS + "- {decision: deny, match: {param.path: /denied/*}}\n"
    modules = resolving(flapping)
    decider = ScriptedDecider(Decision(actions=[touch("/ok/x", "a"), touch("/link/x", "b")]), DONE)
    with asking(tmp_path, decider, modules=modules, policy=policy(tmp_path, rules), **AUTO) as b:
        await b.run()
        approve(b)
        await b.run()
        found = {row.host: row.state for row in rows(b)}
        assert voided(b) == []
    assert found == {"a": ActionState.SUCCEEDED, "b": ActionState.FAILED}
    assert [call.host for call in modules.calls if call.module == "command"] == ["a"]


async def test_what_was_refused_when_people_were_asked_stays_refused(tmp_path: Path) -> None:
    strict = True

    def moving(call: ModuleCall) -> ModuleResult:
        return leading(call) if strict else ok(output={"resolved": {path: [path] for path in call.params["paths"]}})

    rules = (
        "rules:\n- {decision: deny, match: {param.path: /strict/*}, reason: strict}\n" + COMMANDS.partition("\n")[2]
    )
    modules = resolving(moving)
    decider = ScriptedDecider(Decision(actions=[touch("/ok/x", "a"), touch("/link/x", "b")]), DONE)
    with asking(tmp_path, decider, modules=modules, policy=policy(tmp_path, rules), **AUTO) as b:
        await b.run()
        approve(b)
        strict = False
        await b.run()
        found = {row.host: (row.state, row.error or "") for row in rows(b)}
    assert found["a"][0] is ActionState.SUCCEEDED
    assert found["b"][0] is ActionState.DENIED
    assert "strict" in found["b"][1]
    assert [call.host for call in modules.calls if call.module == "command"] == ["a"]


async def test_a_freeze_keeps_an_approval_that_would_be_used(tmp_path: Path) -> None:
    decider = ScriptedDecider(Decision(actions=[touch("/ok/x", "a")]), DONE)
    with asking(tmp_path, decider, modules=resolving(leading), policy=policy(tmp_path, COMMANDS), **AUTO) as b:
        await b.run()
        approve(b)
        until = SystemClock().now() + 500_000
        freeze = Freeze(id="f1", scope=FreezeScope.TARGET, of="a", reason="incident", by="ops", since=1, until=until)
        FreezeFiles(tmp_path / "loops.db").add(freeze)
        await b.run()
        assert b.data("approval.voided") == []
        assert len(b.data("approval.used")) == 1
        assert [row.state for row in rows(b)][-1:] == [ActionState.SUCCEEDED]


async def test_a_path_into_the_process_that_resolves_it_does_not_make_an_approval_void(tmp_path: Path) -> None:
    resolvers = iter(range(100, 200))

    def own(call: ModuleCall) -> ModuleResult:
        process = next(resolvers)
        return ok(output={"resolved": {path: [f"/proc/{process}/mounts"] for path in call.params["paths"]}})

    rules = COMMANDS + "- {decision: deny, match: {param.path: /strict/*}}\n"
    modules = resolving(own)
    decider = ScriptedDecider(Decision(actions=[touch("/etc/mtab", "a")]), DONE)
    with asking(tmp_path, decider, modules=modules, policy=policy(tmp_path, rules), **AUTO) as b:
        await b.run()
        approve(b)
        await b.run()
        assert voided(b) == []
    assert modules.ran("command") != []


async def test_a_freeze_while_paths_are_resolved_is_a_freeze(tmp_path: Path) -> None:
    frozen = False

    def freezing(call: ModuleCall) -> ModuleResult:
        nonlocal frozen
        if call.host == "b" and not frozen:
            frozen = True
            until = SystemClock().now() + 500_000
            freeze = Freeze(
                id="f", scope=FreezeScope.TARGET, of="b", reason="incident", by="ops", since=1, until=until
            )
            FreezeFiles(tmp_path / "loops.db").add(freeze)
        return leading(call)

    rules = (
        "rules:\n- {decision: ask, match: {param.path: /strict/*}, reason: strict}\n" + COMMANDS.partition("\n")[2]
    )
    decider = ScriptedDecider(lambda _: Decision(actions=[touch("/ok/x", "a"), touch("/link/x", "b")]))
    with asking(tmp_path, decider, modules=resolving(freezing), policy=policy(tmp_path, rules), **AUTO) as b:
        await b.run()
        assert ["strict" in (one.asks or "") for one in latest(b).actions] == [False, True]
        assert len(b.data("approval.requested")) == 1
