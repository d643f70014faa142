"""What `policy check` and `policy show` answer besides the ruling of one rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.commandline.loops import policy_question
from ftl2_enterprise.gate.policy.file import load_policy, load_site_policy
from ftl2_enterprise.protocol.loops.approvals import RequiredPeople
from ftl2_enterprise.protocol.loops.policy import CallKind, CallOrigin, PolicyQuestion
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy, ShowPolicy
from ftl2_enterprise.render.loops.policy import answer_lines, in_force_lines
from ftl2_enterprise.wiring.loops import policy_check
from ftl2_enterprise.wiring.settings import MODEL
from tests.support.loops.engine import ScriptedDecider, bench

if TYPE_CHECKING:
    from pathlib import Path

RULES = "rules:\n- {decision: ask, match: {module: shell}, reason: The team decides., expires: 2h}\n"


@pytest.mark.parametrize(("origin", "ruling"), [("model", "ask"), ("manifest", "ask"), ("rule", "deny")])
def test_a_call_of_a_rule_cannot_wait_for_people(tmp_path: Path, origin: str, ruling: str) -> None:
    policy, config = tmp_path / "policy.yml", tmp_path / "config.toml"
    policy.write_text(RULES)
    config.write_text("[policy]\ndirectory = ''\n")
    settings = MODEL.load(config=config, environ={"HOME": str(tmp_path)}).settings
    question = PolicyQuestion(
        module="shell", params={"cmd": "id"}, host="localhost", kind=CallKind.ACTION, origin=CallOrigin(origin)
    )
    request = CheckPolicy(questions=[question], policy=str(policy))
    [[answer]] = policy_check.answers(request, settings, None, in_service=False)
    assert answer.ruling == ruling
    assert answer.reason.endswith("a call of a rule cannot wait for an approval") == (ruling == "deny")


REFUSED_CALLS = (
    ("nosuch.collection.thing", {}, "model", "action", "nosuch.collection.thing"),
    ("dnf", {"name": "x; touch /y"}, "model", "action", "a sign that a shell would interpret"),
    ("git", {"repo": "--upload-pack=x", "dest": "/y"}, "manifest", "action", "it would be an option"),
    ("copy", {"dest": "/y", "_ansible_tmpdir": "/x"}, "model", "action", "_ansible_tmpdir"),
    ("shell", {"cmd": "curl -H {{ secret }}", "_ansible_x": 1}, "rule", "action", "_ansible_x"),
    ("reboot", {}, "model", "observation", "reboot"),
)


@pytest.mark.parametrize(("module", "params", "origin", "kind", "why"), REFUSED_CALLS)
@pytest.mark.parametrize("decision", ["allow", "ask", "deny"])
def test_what_the_engine_refuses_is_refused_whatever_the_policy_is(
    tmp_path: Path, module: str, params: dict[str, Any], origin: str, kind: str, why: str, decision: str
) -> None:
    (tmp_path / "policy.yml").write_text(f"rules:\n- {{decision: {decision}, match: {{module: '*'}}}}\n")
    (tmp_path / "config.toml").write_text("[policy]\ndirectory = ''\n")
    settings = MODEL.load(config=tmp_path / "config.toml", environ={"HOME": str(tmp_path)}).settings
    question = PolicyQuestion(module=module, params=params, kind=CallKind(kind), origin=CallOrigin(origin))
    request = CheckPolicy(questions=[question], policy=str(tmp_path / "policy.yml"))
    [[answer]] = policy_check.answers(request, settings, None, in_service=False)
    assert (answer.ruling, answer.rule, answer.reason) == ("refused", None, answer.problem)
    assert why in answer.reason
    assert policy_question.exit_status([answer]) == 9


def test_who_must_agree_and_the_rule_that_allows_are_in_the_answer(tmp_path: Path) -> None:
    rules = (
        "rules:\n- {decision: allow, match: {module: apt, param.name: nginx}}\n"
        "- {decision: ask, match: {class: packages}, by: admin, people: 2, group: root, expires: 1h}\n"
    )
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "a.yaml").write_text(rules)
    (tmp_path / "config.toml").write_text(f"[policy]\ndirectory = '{tmp_path}/policy.d'\n")
    settings = MODEL.load(config=tmp_path / "config.toml", environ={"HOME": str(tmp_path)}).settings
    questions = [PolicyQuestion(module="apt", params={"name": name}) for name in ("nginx", "vim")]
    [[allowed], [asked]] = policy_check.answers(CheckPolicy(questions=questions), settings, None, in_service=False)
    assert (allowed.ruling, allowed.rule, allowed.source) == ("allow", 1, "a.yaml line 2")
    revision = load_site_policy(tmp_path / "policy.d").revision
    assert allowed.revision == asked.revision == revision
    need = RequiredPeople(by="administer", group="root", people=2, expires=3600.0)
    assert (asked.ruling, asked.needs, allowed.needs) == ("ask", [need], [])
    first, second = (repr(one) for one in answer_lines([allowed, asked]))
    assert f"rule 1 (a.yaml line 2, revision {revision[:12]})" in first
    assert "must agree: 2 persons with access to administer, of the group root, within 60 min" in second


def test_the_rules_in_force_have_the_time_to_agree(tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text(RULES)
    (tmp_path / "config.toml").write_text("[policy]\ndirectory = ''\n")
    settings = MODEL.load(config=tmp_path / "config.toml", environ={"HOME": str(tmp_path)}).settings
    with bench(tmp_path, ScriptedDecider(), policy=str(tmp_path / "policy.yml")) as b, b.database.read() as tx:
        lines = in_force_lines(policy_check.in_force(ShowPolicy(loop="web"), settings, tx))
    assert any("must agree: 1 person with access to operate, within 2 h" in repr(one) for one in lines)


@pytest.mark.parametrize("word", ["no", "Yes", "off"])
def test_a_reason_is_a_text(tmp_path: Path, word: str) -> None:
    file = tmp_path / "policy.yml"
    file.write_text(f"rules:\n- {{decision: deny, match: {{module: shell}}, reason: {word}}}\n")
    assert load_policy(file).rules[0].reason == word
