"""Judging conditions, choosing what fires, and what an action may touch."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.loops.ports import ModuleResult
from ftl2_enterprise.loops.rules.api import RuleApi
from ftl2_enterprise.loops.rules.compiled import CompiledRule, act, compile_rule, evaluate
from ftl2_enterprise.loops.rules.order import RuleOutcome, may_fire, next_to_fire
from tests.support.loops.rules import Recorder, source_of, write_rule

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.decision import StateOp


def rule(directory: Path, **parts: str) -> CompiledRule:
    return compile_rule(source_of(write_rule(directory, "one", **parts)))


@pytest.mark.parametrize(
    ("condition", "matched"),
    [
        ("return True", True),
        ("return None", False),
        ("return []", False),
        ("return 'yes'", True),
        ("return state['disk']['rc'] == 0", True),
    ],
)
async def test_a_condition_is_evaluated_by_truth_value(tmp_path: Path, condition: str, matched: bool) -> None:
    judged = await evaluate(rule(tmp_path, condition=condition), {"disk": {"rc": 0}}, 5)
    assert judged.error is None
    assert judged.matched is matched


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("return state['nothing']", "KeyError: 'nothing'"),
        ("raise ValueError('line\\n  two')", "ValueError: line two"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("raise TimeoutError('its own')", "TimeoutError: its own"),
        ("import asyncio; raise asyncio.CancelledError", "the condition was cancelled from within"),
        ("import asyncio; await asyncio.Event().wait()", "the condition did not end within 0.05 s"),
        ("class Odd:\n        def __bool__(self): raise RuntimeError('odd')\n    return Odd()", "RuntimeError: odd"),
    ],
)
async def test_a_condition_that_cannot_be_evaluated_is_an_error_and_no_match(
    tmp_path: Path, condition: str, error: str
) -> None:
    judged = await evaluate(rule(tmp_path, condition=condition), {}, 0.05)
    assert judged.error == error
    assert not judged.matched


async def test_cancelling_is_not_suppressed(tmp_path: Path) -> None:
    task = asyncio.create_task(
        evaluate(rule(tmp_path, condition="import asyncio; await asyncio.Event().wait()"), {}, 60)
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_condition_cannot_change_what_others_see(tmp_path: Path) -> None:
    state = {"disk": {"rc": 0}}
    await evaluate(rule(tmp_path, condition="state['disk']['rc'] = 1; state.clear()"), state, 5)
    assert state == {"disk": {"rc": 0}}


# --- what fires ----------------------------------------------------------------------------------------------------


def test_a_rule_does_not_fire_twice_in_a_row() -> None:
    assert may_fire(["a", "b"], ["a"]) == ["b"]
    assert may_fire(["a"], ["a"]) == []
    assert may_fire(["a"], []) == ["a"]


@pytest.mark.parametrize(
    ("ended", "following"),
    [
        ({}, "a"),
        ({"a": RuleOutcome.FAILED}, "b"),
        ({"a": RuleOutcome.DENIED}, "b"),
        ({"a": RuleOutcome.SUCCEEDED}, None),
        ({"a": RuleOutcome.DENIED, "b": RuleOutcome.SUCCEEDED}, None),
        ({"a": RuleOutcome.FAILED, "b": RuleOutcome.DENIED}, "c"),
        ({"a": RuleOutcome.FAILED, "b": RuleOutcome.DENIED, "c": RuleOutcome.FAILED}, None),
    ],
)
def test_a_rule_that_failed_or_was_denied_does_not_hide_the_later_ones(
    ended: dict[str, RuleOutcome], following: str | None
) -> None:
    assert next_to_fire(["a", "b", "c"], ended) == following


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from(list(RuleOutcome))))
def test_each_rule_is_tried_once_until_one_succeeds(names: list[str], endings: list[RuleOutcome]) -> None:
    ended: dict[str, RuleOutcome] = {}
    outcomes = iter(endings)
    while (name := next_to_fire(names, ended)) is not None:
        assert name not in ended
        assert RuleOutcome.SUCCEEDED not in ended.values()
        ended[name] = next(outcomes, RuleOutcome.FAILED)
    assert RuleOutcome.SUCCEEDED in ended.values() or list(ended) == names


# --- what an action may touch --------------------------------------------------------------------------------------


async def test_calls_name_module_params_and_host() -> None:
    recorder = Recorder()
    ftl = RuleApi(recorder.perform, targets=["db01"])
    await ftl.shell(cmd="true")
    await ftl.local.file(path="/x")
    await ftl["local"].file(path="/y")
    await ftl["web01"].service(name="nginx")
    await ftl.db01.service(name="pg")
    await ftl.community.general.timezone(name="UTC")
    await ftl["web01"].ansible.builtin.copy(src="a")
    await ftl.run_on("web01", "stat", path="/z")
    assert recorder.calls == [
        ("shell", {"cmd": "true"}, None),
        ("file", {"path": "/x"}, "localhost"),
        ("file", {"path": "/y"}, "localhost"),
        ("service", {"name": "nginx"}, "web01"),
        ("service", {"name": "pg"}, "db01"),
        ("community.general.timezone", {"name": "UTC"}, None),
        ("ansible.builtin.copy", {"src": "a"}, "web01"),
        ("stat", {"path": "/z"}, "web01"),
    ]


async def test_one_host_gives_a_dict_and_a_group_a_list() -> None:
    recorder = Recorder({"web": ["web01", "web02"], "db": ["db01"]})
    ftl = RuleApi(recorder.perform)
    one = await ftl["web01"].shell(cmd="true")
    assert (one["stdout"], one["rc"], one["changed"], one["failed"], one["host"]) == ("done", 0, True, False, "web01")
    assert [result["host"] for result in await ftl["web"].shell(cmd="true")] == ["web01", "web02"]
    assert [result["host"] for result in await ftl["db"].shell(cmd="true")] == ["db01"]
    assert len(await ftl.run_on(["web", "db01"], "ping")) == 3


async def test_a_failure_does_not_raise_and_is_not_hidden() -> None:
    bad = ModuleResult(success=False, rc=3, stderr="no", error="no", output={"failed": False, "msg": "m"})
    ftl = RuleApi(Recorder(shell=bad).perform)
    await ftl.file(path="/x")
    assert not ftl.failed
    result = await ftl.shell(cmd="exit 3")
    assert result["failed"] is True
    assert (result["rc"], result["stderr"], result["msg"]) == (3, "no", "m")
    assert ftl.failed
    assert ftl.errors == [result]
    assert ftl.error_messages == ["shell on localhost: no"]
    assert len(ftl.results) == 2


async def test_gathered_calls_are_made_one_after_the_other() -> None:
    running: list[str] = []
    most = 0

    async def perform(module: str, params: dict[str, Any], host: str | None) -> list[tuple[str, dict[str, Any]]]:
        nonlocal most
        running.append(module)
        most = max(most, len(running))
        await asyncio.sleep(0)
        running.remove(module)
        return [(host or "localhost", {"failed": False})]

    ftl = RuleApi(perform)
    await asyncio.gather(*(ftl.shell(cmd=str(n)) for n in range(5)))
    assert most == 1
    assert len(ftl.results) == 5


async def test_private_names_and_bare_hosts_are_no_modules() -> None:
    ftl = RuleApi(Recorder().perform)
    with pytest.raises(AttributeError):
        _ = ftl.__deepcopy__
    with pytest.raises(AttributeError):
        _ = ftl.shell._x
    with pytest.raises(TypeError, match="name a module"):
        await ftl["web01"]()


async def test_a_rule_reads_and_changes_state() -> None:
    applied: list[StateOp] = []
    state = {"_state_file": {"hosts": {"web01": {"name": "web01"}}, "resources": {"disk": {"provider": "linode"}}}}
    ftl = RuleApi(Recorder().perform, state=state, apply=applied.append)
    assert ftl.state.hosts() == ["web01"]
    assert ftl.state.get_host("web01") == {"name": "web01"}
    assert ftl.state.resources("linode") == {"disk": {"provider": "linode"}}
    assert ftl.state.resources("other") == {}
    ftl.add_host("web02", ansible_host="192.0.2.7", groups=["web"], ansible_connection="local")
    ftl.state.add_host("web03", ansible_user="me")
    ftl.state.update_resource("disk", {"size": 5})
    ftl.state.remove("web01")
    assert ftl.hosts == ["web02", "web03"]
    assert ftl.state.get("disk") == {"provider": "linode", "size": 5}
    assert not ftl.state.has("web01")
    assert applied == ftl.state_ops
    assert [(op.op, op.name) for op in applied] == [
        ("add_host", "web02"),
        ("add_host", "web03"),
        ("add_resource", "disk"),
        ("remove", "web01"),
    ]
    assert applied[0].data == {"ansible_connection": "local"}
    assert state["_state_file"]["hosts"] == {"web01": {"name": "web01"}}


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("pass", ""),
        ("raise SystemExit(1)", "RuntimeError: the rule called exit(1)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("import asyncio; raise asyncio.CancelledError", "the action was cancelled from within"),
        ("class Odd(Exception):\n        def __str__(self): raise ValueError\n    raise Odd", "Odd"),
    ],
)
async def test_the_end_of_an_action_is_a_text(tmp_path: Path, action: str, error: str) -> None:
    assert await act(rule(tmp_path, action=action), RuleApi(Recorder().perform)) == error


def test_future_imports_and_dataclasses_work_and_names_do_not_clash(tmp_path: Path) -> None:
    head = (
        "from __future__ import annotations\nimport dataclasses\n\n@dataclasses.dataclass\nclass A:\n    x: int = {}"
    )
    first = compile_rule(source_of(write_rule(tmp_path / "a", "one", head=head.format(1))))
    second = compile_rule(source_of(write_rule(tmp_path / "b", "one", head=head.format(2))))
    assert first.condition.__module__ != second.condition.__module__
    assert sys.modules[first.condition.__module__].A.x == 1
    assert sys.modules[second.condition.__module__].A.x == 2
