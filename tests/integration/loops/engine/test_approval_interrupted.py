"""What people approved, and what a model was paid for, survives a stop and a crash while paths are resolved."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.children import Table
from ftl2_enterprise.core.clock import SystemClock
from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.loops.engine import approving
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.handlers import prompts as handlers
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationState, LoopRemediation, LoopState, Mode
from ftl2_enterprise.protocol.loops.verbs import RejectPrompt, ShowPrompt
from ftl2_enterprise.store.freeze_files import FreezeFiles
from tests.support.loops.approving import ALICE, approve, asking, do, latest, rows, sql
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, failed, ok
from tests.support.loops.runs import Crash, iterations

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult
    from tests.support.loops.engine import Bench

DONE = Decision(converged=True)
AUTO: dict[str, Any] = {"observers": [], "remediation": LoopRemediation.AUTO}
RULES = (
    "rules:\n- {decision: deny, match: {param.path: /denied/*}, reason: denied}\n"
    "- {decision: ask, match: {module: command}, reason: any command}\n"
)
PLAN = Decision(
    actions=[ActionSpec(module="command", params={"cmd": f"touch /link/{host}"}, host=host) for host in "ab"]
)


class Hosts(ScriptedModules):
    """Two hosts, on which `/link` leads to `/real`. `answer` is called before a host resolves paths."""

    def __init__(self) -> None:
        super().__init__({"a": [], "b": []})
        self.handlers |= {"resolve_paths": self._resolve, "command": lambda _: ok(changed=True)}
        self.unreachable: set[str] = set()
        self.hangs: Bench | None = None
        self.place = "/real"
        self.moved: set[str] = set()

    async def _resolve(self, call: ModuleCall) -> ModuleResult:
        if self.hangs is not None:
            self.hangs.stop.ask()
            self.hangs.stop.ask()
            await asyncio.Event().wait()
        if call.host in self.unreachable:
            return failed(f"cannot reach {call.host}")
        place = "/moved" if call.host in self.moved else self.place
        return ok(output={"resolved": {path: [path.replace("/link", place)] for path in call.params["paths"]}})


def waiting(tmp_path: Path, decider: ScriptedDecider, hosts: Hosts, **values: Any) -> Any:
    (tmp_path / "policy.yml").write_text(RULES)
    return asking(tmp_path, decider, modules=hosts, policy=str(tmp_path / "policy.yml"), **AUTO, **values)


async def crashes_after_use(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask, approve, and end the process when the approval was used and nothing has begun."""
    await b.run()
    approve(b)

    def crash(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(approving, "grant", crash)
        try:
            await b.run()
        except Crash:
            return
    raise AssertionError("the approval was not used")


async def test_after_a_crash_a_host_that_is_not_reached_does_not_block_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = Hosts()
    with waiting(tmp_path, ScriptedDecider(PLAN, DONE), hosts) as b:
        await crashes_after_use(b, monkeypatch)
        hosts.unreachable = {"b"}
        await b.run()
        assert {row.host: row.state for row in rows(b)} == {"a": ActionState.SUCCEEDED, "b": ActionState.FAILED}
        assert len(b.data("approval.requested")) == 1
    assert [call.host for call in hosts.ran("command")] == ["a"]


async def test_after_a_crash_a_stop_at_once_keeps_what_was_approved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = Hosts()
    with waiting(tmp_path, ScriptedDecider(PLAN, DONE), hosts) as b:
        await crashes_after_use(b, monkeypatch)
        hosts.hangs = b
        assert (await b.run()).state is LoopState.PAUSED
        assert iterations(b)[-1].state is IterationState.EXECUTING
        hosts.hangs, b.stop = None, StopSignal()
        await b.run()
        assert len(b.data("approval.requested")) == 1
        assert [row.state for row in rows(b)] == [ActionState.SUCCEEDED] * 2


async def test_after_a_crash_what_is_denied_now_is_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = Hosts()
    with waiting(tmp_path, ScriptedDecider(PLAN, DONE), hosts) as b:
        await crashes_after_use(b, monkeypatch)
        hosts.place = "/denied"
        await b.run()
    assert hosts.ran("command") == []


async def test_a_decision_of_a_model_survives_a_stop_at_once(tmp_path: Path) -> None:
    hosts = Hosts()
    decider = ScriptedDecider(PLAN, DONE, is_model=True)
    with waiting(tmp_path, decider, hosts) as b:
        hosts.hangs = b
        await b.run()
        hosts.hangs, b.stop = None, StopSignal()
        assert (await b.run()).state is LoopState.WAITING
        assert [one.module for one in latest(b).actions] == ["command"] * 2
        assert len(decider.situations) == 1
        approve(b)
        await b.run()
        assert [row.state for row in rows(b)] == [ActionState.SUCCEEDED] * 2


async def test_a_rejection_does_not_cover_what_was_refused_then(tmp_path: Path) -> None:
    hosts = Hosts()
    hosts.unreachable = {"b"}
    resting = {"mode": Mode.CONTINUOUS, "interval": 0.01, "limits": RunLimits(rest=0.0)}
    with waiting(tmp_path, ScriptedDecider(lambda _: PLAN), hosts, **resting) as b:
        await b.run()
        do(b, RejectPrompt(prompt=latest(b).prompt_id, reason="no"), ALICE)
        await b.run()
        await b.run()
        assert len(b.data("approval.requested")) == 1
        hosts.unreachable = set()
        assert (await b.run()).state is LoopState.WAITING
        assert [one.refused for one in latest(b).actions] == [None, None]


async def test_after_a_crash_what_has_ended_does_not_make_the_rest_void(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first action has changed where its own path leads, and its host is frozen since."""
    hosts = Hosts()
    with waiting(tmp_path, ScriptedDecider(PLAN, DONE), hosts) as b:
        await b.run()
        approve(b)
        hosts.handlers["command"] = lambda call: crash() if call.host == "b" else ok(changed=True)

        def crash(*_: Any) -> Any:
            raise Crash

        with contextlib.suppress(Crash):
            await b.run()
        assert next(row.state for row in rows(b) if row.host == "a") is ActionState.SUCCEEDED
        sql(b, "UPDATE actions SET state = 'proposed', started_at = NULL WHERE host = 'b'")
        hosts.handlers["command"] = lambda _: ok(changed=True)
        hosts.moved = {"a"}
        until = SystemClock().now() + 60_000_000
        freeze = Freeze(id="f", scope=FreezeScope.TARGET, of="a", reason="incident", by="ops", since=1, until=until)
        FreezeFiles(tmp_path / "loops.db").add(freeze)
        await b.run()
        assert {row.host: row.state for row in rows(b)} == dict.fromkeys("ab", ActionState.SUCCEEDED)
        assert len(b.data("approval.requested")) == 1


@pytest.mark.parametrize("ends", ["crash", "stop at once", "failure"])
async def test_people_see_that_what_they_approved_was_interrupted(tmp_path: Path, ends: str) -> None:
    hosts = Hosts()
    with waiting(tmp_path, ScriptedDecider(PLAN, DONE), hosts) as b:
        await b.run()
        approve(b)

        async def end(call: ModuleCall) -> ModuleResult:
            if call.host == "a":
                return ok(changed=True)
            if ends == "crash":
                raise Crash
            if ends == "failure":
                return failed("no space left")
            b.stop.ask()
            b.stop.ask()
            await asyncio.Event().wait()
            raise AssertionError

        hosts.handlers["command"] = end
        b.decider.script = [PLAN]
        with contextlib.suppress(Crash):
            await b.run()
        b.stop = StopSignal()
        assert (await b.run()).state is LoopState.WAITING
        assert [call.host for call in hosts.ran("command")] == ["a", "b"]
        how = "then command on b failed" if ends == "failure" else "its execution was interrupted"
        again = b.data("approval.requested")[-1]["again"]
        assert re.fullmatch(rf"approved by alice at [-0-9]+ [:0-9]+Z; {how}", again)
        with b.database.read() as tx:
            shown = handlers.show_prompt(tx, ShowPrompt(prompt=latest(b).prompt_id), Table())
        assert shown.approval is not None
        assert shown.approval.again == again


async def test_a_later_question_about_other_drift_does_not_name_what_was_interrupted(tmp_path: Path) -> None:
    hosts = Hosts()
    resting = {"mode": Mode.CONTINUOUS, "interval": 0.01, "limits": RunLimits(rest=0.0)}
    with waiting(tmp_path, ScriptedDecider(PLAN), hosts, **resting) as b:
        await b.run()
        approve(b)

        def crash(_: ModuleCall) -> ModuleResult:
            raise Crash

        hosts.handlers["command"] = crash
        with contextlib.suppress(Crash):
            await b.run()
        b.decider.script = [DONE]
        await b.run()
        b.decider.script = [PLAN]
        assert (await b.run()).state is LoopState.WAITING
        assert b.data("approval.requested")[-1]["again"] is None


@pytest.mark.parametrize("changes", [False, True])
async def test_a_file_that_is_named_has_the_content_that_was_shown(tmp_path: Path, *, changes: bool) -> None:
    hosts, shown = Hosts(), ["+PermitRootLogin no"]
    hosts.changes = lambda call: ok(
        changed=True,
        output={
            "diff": {"path": "/x", "before": {"size": 0, "content": ""}, "after": {"size": 1, "content": shown[0]}}
        },
    )
    hosts.handlers["copy"] = lambda _: ok(changed=True)
    copy = ActionSpec(module="copy", params={"src": "/srv/sshd", "dest": "/etc/x"}, host="a")
    decider = ScriptedDecider(lambda _: Decision(actions=[copy]))
    (tmp_path / "policy.yml").write_text("rules:\n- {decision: ask, match: {module: copy}}\n")
    with asking(tmp_path, decider, modules=hosts, policy=str(tmp_path / "policy.yml"), **AUTO) as b:
        await b.run()
        approve(b)
        shown[0] = "+PermitRootLogin yes" if changes else shown[0]
        await b.run()
        assert bool(hosts.ran("copy")) is not changes
        voided = [one["reason"] for one in b.data("approval.voided")]
    why = "what copy on a would change is not what was shown when it was asked"
    assert voided == ([why] if changes else [])
