"""`policy check` answers what the engine then does, for each way around a policy that is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, override

import pytest

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.gate.verdicts import Ruling
from ftl2_enterprise.loops.ports import RESOLVE_PATHS
from ftl2_enterprise.loops.rows import hosts as host_rows, loops as loop_rows
from ftl2_enterprise.loops.rows.observations import get_observations
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec, StateOp
from ftl2_enterprise.protocol.loops.nouns import ActionState, ObservationState
from ftl2_enterprise.protocol.loops.policy import REFUSED, CallKind, CallOrigin, PolicyQuestion
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy
from ftl2_enterprise.wiring.loops import policy_check
from ftl2_enterprise.wiring.settings import MODEL
from tests.support.loops.engine import ScriptedDecider, bench, ok
from tests.support.loops.policy_scenario_files import filled, policy_file, prepare
from tests.support.loops.policy_scenarios import INVENTORY, SCENARIOS, Scenario
from tests.support.loops.runs import actions
from tests.support.processes.command import Command

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult
    from ftl2_enterprise.protocol.loops.policy import PolicyAnswer
    from tests.support.loops.engine import Bench


class Unsent(Ftl2Modules):
    """Real hosts, on which paths are resolved, and nothing else is done."""

    @override
    async def run(self, call: ModuleCall) -> ModuleResult:
        if call.module == RESOLVE_PATHS:
            return await super().run(call)
        return ok(changed=True)


def settings(tmp_path: Path) -> Settings:
    config = tmp_path / "config.toml"
    config.write_text("[policy]\ndirectory = ''\n")
    return MODEL.load(config=config, environ={"HOME": str(tmp_path)}).settings


def question_of(one: Scenario, tmp: Path) -> PolicyQuestion:
    return PolicyQuestion(
        module=one.module,
        host=one.host,
        params=filled(dict(one.params), tmp),
        kind=CallKind.OBSERVATION if one.observes else CallKind.ACTION,
    )


def decision(one: Scenario, question: PolicyQuestion) -> Decision:
    if one.observes:
        spec = ObservationSpec(name="x", module=question.module, params=question.params, host=question.host)
        return Decision(observe=[spec])
    return Decision(actions=[ActionSpec(module=question.module, params=question.params, host=question.host)])


def register(b: Bench, one: Scenario) -> None:
    """The hosts that an earlier process of the loop has registered and removed."""
    with b.database.write() as tx:
        for name in one.removes:
            host_rows.remove_host(tx, b.loop_id, name, listed=True)
        for given in one.add_hosts:
            host_rows.upsert_host(tx, b.loop_id, **given)


def done_by_the_engine(b: Bench, one: Scenario) -> tuple[str, str]:
    """What the engine did with the call, as a ruling, or `failed` if nothing can run it; and the error."""
    if not one.observes:
        row = actions(b)[0]
        states = {ActionState.DENIED: Ruling.DENY, ActionState.SUCCEEDED: Ruling.ALLOW, ActionState.FAILED: "failed"}
        return states[row.state], row.error or ""
    with b.database.read() as tx:
        found = [seen for each in loop_rows.get_iterations(tx, b.loop_id) for seen in get_observations(tx, each.id)]
    [seen] = [each for each in found if each.name == "x"][:1]
    denied = {ObservationState.DENIED: Ruling.DENY, ObservationState.FAILED: "failed"}
    return denied.get(seen.state, Ruling.ALLOW), seen.error or ""


async def compared(one: Scenario, tmp_path: Path) -> tuple[tuple[str, str], PolicyAnswer, PolicyAnswer]:
    """What the engine does; and the answers without and with resolved paths."""
    tmp = prepare(one, tmp_path)
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    question = question_of(one, tmp)
    modules: Any = Unsent(str(tmp_path / "inventory.yml"), work_dir=tmp_path / "work", redact=str)
    decider = ScriptedDecider(decision(one, question), Decision(converged=True), is_model=True)
    where = {"policy": str(policy_file(one, tmp)), "inventory": str(tmp_path / "inventory.yml"), "observers": []}
    try:
        with bench(tmp_path, decider, modules=modules, **where) as b:
            register(b, one)
            await b.run()
            done = done_by_the_engine(b, one)
            request = CheckPolicy(questions=[question], loop=str(b.loop_id))
            with b.database.read() as tx:
                [[first, *_]] = policy_check.answers(request, settings(tmp_path), tx, in_service=False)
                last = first
                if first.paths:
                    [[last, *_]] = await policy_check.resolved_answers(request, settings(tmp_path), tx)
    finally:
        await modules.close()
    return done, first, last


@pytest.mark.parametrize("one", SCENARIOS, ids=lambda one: one.name)
async def test_the_answer_is_what_the_engine_then_does(one: Scenario, tmp_path: Path) -> None:
    (done, error), first, last = await compared(one, tmp_path)
    answered = "failed" if last.ruling == REFUSED else last.ruling
    assert answered == done, (last, error)
    if done == Ruling.DENY:
        assert last.reason in error
    assert last.paths == []
    # Without asking the host, it is the same, or names what the host has to resolve.
    assert (last.problem is not None) == (last.ruling == REFUSED)
    assert first.ruling == last.ruling or (first.ruling == Ruling.ALLOW and first.paths)


def test_the_table_has_answers_that_only_the_host_knows(tmp_path: Path) -> None:
    """Without this, the last assertion above could not fail."""
    links = [one for one in SCENARIOS if "ln -s" in one.prepared]
    assert len(links) >= 5


NAMES = ("path", "two dots", "a link", "a directory as the destination", "redirection", "a package with a version",
         "shell", "a program that computes")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_program_answers_the_same(name: str, tmp_path: Path) -> None:
    [one] = [one for one in SCENARIOS if one.name == name]
    tmp = prepare(one, tmp_path)
    given = filled(dict(one.params), tmp)
    words = [word for key, value in given.items() for word in ("-p", f"{key}={value}")]
    where = ["--policy", str(policy_file(one, tmp))]
    command = Command(tmp_path, config="[policy]\ndirectory = ''\n")
    done = command.run("policy", "check", one.module, *words, *where, "--resolve", "--json")
    [answer] = json.loads(done.stdout)
    expected = ("allow", 0) if one.limit else ("deny", 4)
    assert (answer["ruling"], done.returncode) == expected, done
    assert answer["paths"] == []


def test_the_program_names_the_paths_that_it_does_not_resolve(tmp_path: Path) -> None:
    [one] = [one for one in SCENARIOS if one.name == "a link"]
    tmp = prepare(one, tmp_path)
    where = ["--policy", str(policy_file(one, tmp))]
    command = Command(tmp_path, config="[policy]\ndirectory = ''\n")
    done = command.run("policy", "check", "copy", "-p", "content=x", "-p", f"dest={tmp}/link/made", *where)
    assert done.returncode == 0
    why = f"before the call, the host resolves {tmp}/link/made, and then the call is judged again"
    assert done.stdout.strip() == f"allow   localhost: no rule matches; {why}"


def test_no_path_in_an_answer_has_a_part_of_a_bound_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "first/part second/part")
    policy = tmp_path / "policy.yml"
    policy.write_text("rules:\n- {decision: deny, match: {param.path: /strict/*}}\n")
    question = PolicyQuestion(module="command", host="localhost", params={"cmd": "tee /public/x"})
    with (
        bench(tmp_path, ScriptedDecider(), policy=str(policy), secrets=["command.stdin=PW"]) as b,
        b.database.read() as tx,
    ):
        asked = CheckPolicy(questions=[question], loop="web")
        [[answer]] = policy_check.answers(asked, settings(tmp_path), tx, in_service=False)
    assert answer.paths == ["/public/x", "[redacted]"]


OPERATIONS = (
    ("deny", "add_host", {"name": "new", "ansible_host": "10.1.1.1"}, "model", Ruling.DENY),
    ("deny", "add_host", {"name": "new", "rack": "r1"}, "rule", Ruling.DENY),
    ("ask", "add_host", {"name": "new", "groups": "web"}, "model", Ruling.DENY),
    ("allow", "add_host", {"name": "new", "groups": "web"}, "model", Ruling.ALLOW),
    ("deny", "remove", {"name": "new"}, "model", Ruling.DENY),
    ("allow", "add_resource", {"name": "db"}, "model", Ruling.ALLOW),
    ("allow", "add_host", {"name": "localhost"}, "model", "failed"),
    ("allow", "add_host", {"name": "a", "ansible_host": "10.1.1.1"}, "model", "failed"),
    ("allow", "remove", {"name": "a"}, "model", "failed"),
)


@pytest.mark.parametrize(("decision", "op", "given", "origin", "expected"), OPERATIONS)
async def test_the_answer_about_what_is_registered_is_what_the_engine_does(
    decision: str, op: str, given: dict[str, Any], origin: str, expected: str, tmp_path: Path
) -> None:
    policy, inventory = tmp_path / "policy.yml", tmp_path / "inventory.yml"
    policy.write_text(f"rules:\n- {{decision: {decision}, match: {{module: {op}}}, reason: because}}\n")
    inventory.write_text("all: {hosts: {a: {ansible_host: 10.0.0.1}}}\n")
    request = CheckPolicy(
        questions=[PolicyQuestion(module=op, params=given, origin=CallOrigin(origin))],
        policy=str(policy), inventory=str(inventory),
    )  # fmt: skip
    [[answer]] = policy_check.answers(request, settings(tmp_path), None, in_service=False)
    assert (answer.host, "failed" if answer.ruling == REFUSED else answer.ruling) == (given["name"], expected)
    fields = {**given, "groups": given.get("groups", "").split()}
    data = {"rack": fields.pop("rack")} if "rack" in fields else {}
    decider = ScriptedDecider(
        Decision(state_ops=[StateOp(op=op, data=data, **fields)], converged=True), is_model=True
    )
    modules: Any = Unsent(str(inventory), work_dir=tmp_path / "work", redact=str)
    with bench(tmp_path, decider, modules=modules, policy=str(policy), observers=[]) as b:
        await b.run()
        refused = b.data("state.refused")
    await modules.close()
    assert bool(refused) == (expected != Ruling.ALLOW)
    if expected == Ruling.DENY:
        assert refused[0]["reason"].partition(": ")[2] == answer.reason.removesuffix(policy_check.NOT_ASKED)


def test_the_program_refuses_to_answer_while_the_site_policy_cannot_be_used(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "wrong.yaml").write_text("rules: [\n")
    (tmp_path / "tests.yaml").write_text("tests: [{module: copy, expect: hold}]\n")
    command = Command(tmp_path, config=f"[policy]\ndirectory = '{site}'\n")
    for words in (("check", "copy"), ("test", str(tmp_path / "tests.yaml"))):
        done = command.run("policy", *words)
        assert done.returncode == 2
        assert f"cannot read the policy {site}/wrong.yaml" in done.stderr
