"""What policy denies, and how a mistake in a policy file is reported."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.gate import judge as gate
from ftl2_enterprise.gate.effects import Effect, EffectKind, HostIdentity, Origin
from ftl2_enterprise.gate.policy.file import load_policy
from ftl2_enterprise.gate.policy.types import AppliesTo, Policy, PolicyRule
from ftl2_enterprise.gate.verdicts import Ruling, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def policy(*matches: dict[str, str], applies_to: frozenset[AppliesTo] = frozenset({AppliesTo.ACTIONS})) -> Policy:
    return Policy(
        rules=tuple(
            PolicyRule(number=n, match=match, reason="because", source=f"p.yml line {n}", applies_to=applies_to)
            for n, match in enumerate(matches, 1)
        )
    )


def judge(
    given_policy: Policy,
    module: str = "file",
    params: dict[str, Any] | None = None,
    *,
    host: str = "web01",
    groups: Iterable[str] = ("web", "all"),
    environment: str = "prod",
    observing: bool = False,
) -> Verdict:
    effect = Effect(
        kind=EffectKind.OBSERVATION if observing else EffectKind.ACTION,
        origin=Origin.PERSON,
        subject="test:1",
        host=HostIdentity(name=host, names=tuple(groups)),
        module=module,
        params=params or {},
        environment=environment,
    )
    return gate.judge(effect, gate.GateContext(policies=[given_policy]))


def is_denied(given_policy: Policy, **kw: Any) -> bool:
    return judge(given_policy, **kw).ruling is Ruling.DENY


def denies(match: dict[str, str], module: str = "file", params: dict[str, Any] | None = None, **kw: Any) -> bool:
    return is_denied(policy(match), module=module, params=params, **kw)


@pytest.mark.parametrize("named", ["shell", "command", "raw", "ansible.builtin.shell", "ansible.legacy.raw", "sh*"])
@pytest.mark.parametrize("used", ["shell", "command", "raw", "ansible.builtin.command", "ansible.legacy.shell"])
def test_denying_one_command_module_denies_all(named: str, used: str) -> None:
    assert denies({"module": named}, used)
    assert not denies({"module": named}, "file")


@pytest.mark.parametrize(
    ("pattern", "module", "denied"),
    [
        ("copy", "ansible.builtin.copy", True),
        ("ansible.builtin.copy", "copy", True),
        ("ansible.legacy.copy", "ansible.builtin.copy", True),
        ("ansible.builtin.*", "copy", True),
        ("*", "community.general.x", True),
        ("community.general.*", "community.general.x", True),
        ("x", "community.general.x", False),
        ("community.general.copy", "copy", False),
        ("Copy", "copy", False),
        ("cop", "copy", False),
    ],
)
def test_module_names_match_in_every_spelling(pattern: str, module: str, denied: bool) -> None:
    assert denies({"module": pattern}, module) is denied


@pytest.mark.parametrize(
    ("match", "kw", "denied"),
    [
        ({"host": "web*"}, {}, True),
        ({"host": "web"}, {}, True),
        ({"host": "db*"}, {}, False),
        ({"host": "local"}, {"host": "localhost"}, True),
        ({"host": "localhost"}, {"host": "localhost"}, True),
        ({"host": "local"}, {"host": "web01"}, False),
        ({"environment": "prod*"}, {}, True),
        ({"environment": "prod"}, {"environment": ""}, False),
        ({"environment": "*"}, {"environment": ""}, True),
    ],
)
def test_a_rule_matches_hosts_and_environments(match: dict[str, str], kw: dict[str, Any], denied: bool) -> None:
    assert denies(match, **kw) is denied


@pytest.mark.parametrize(
    ("match", "module", "params", "denied"),
    [
        ({"param.path": "/etc/*"}, "file", {"path": "/etc/passwd"}, True),
        ({"param.path": "/etc/*"}, "file", {"dest": "/etc/passwd"}, True),
        ({"param.path": "/etc/*"}, "ansible.builtin.file", {"name": "/etc/passwd"}, True),
        ({"param.path": "/etc/*"}, "file", {"path": "/opt"}, False),
        ({"param.path": "*"}, "file", {}, False),
        ({"param.cmd": "*rm -rf*"}, "shell", {"cmd": "cd /\nrm -rf x"}, True),
        ({"param.cmd": "rm -rf*"}, "command", {"argv": ["rm", "-rf", "/"]}, True),
        ({"param.cmd": "rm*"}, "command", {"_raw_params": "rm x"}, True),
        ({"param.mode": "0777"}, "file", {"mode": "0777"}, True),
        ({"param.port": "22"}, "x", {"port": 22}, True),
        ({"param.force": "true"}, "x", {"force": True}, True),
        ({"param.force": "True"}, "x", {"force": True}, True),
        ({"param.force": "true"}, "x", {"force": "yes"}, True),
        ({"param.force": "true"}, "x", {"force": "no"}, False),
        ({"param.force": "false"}, "x", {"force": False}, True),
        ({"param.x": "null"}, "x", {"x": None}, True),
        ({"param.users": '*"root"*'}, "x", {"users": [{"name": "root"}]}, True),
        ({"param.opts": '*"a": 1*'}, "x", {"opts": {"a": 1}}, True),
    ],
)
def test_params_are_matched_as_text(match: dict[str, str], module: str, params: dict[str, Any], denied: bool) -> None:
    assert denies(match, module, params) is denied


def test_all_conditions_have_to_match() -> None:
    match = {"module": "file", "host": "web*", "environment": "prod", "param.state": "absent"}
    params = {"state": "absent"}
    assert denies(match, "file", params)
    assert not denies(match, "copy", params)
    assert not denies(match, "file", params, host="db01", groups=())
    assert not denies(match, "file", params, environment="test")
    assert not denies(match, "file", {"state": "touch"})


def test_the_first_rule_that_matches_gives_the_reason() -> None:
    verdict = judge(policy({"module": "copy"}, {"module": "fi*"}, {"module": "file"}))
    reason = "denied by policy rule 2 (p.yml line 2): because"
    assert verdict == Verdict(ruling=Ruling.DENY, rule=2, source="p.yml line 2", reason=reason)


def test_observations_are_denied_only_by_rules_that_apply_to_them() -> None:
    assert not is_denied(policy({"module": "shell"}), module="command", observing=True)
    both = policy({"module": "shell"}, applies_to=frozenset(AppliesTo))
    assert is_denied(both, module="command", observing=True)
    assert is_denied(both, module="command")
    observing_rule = policy({"module": "shell"}, applies_to=frozenset({AppliesTo.OBSERVATIONS}))
    assert not is_denied(observing_rule, module="command")


patterns = st.sampled_from(["*", "file", "fi?e", "copy", "shell", "a", "[ab]", ""])
matches = st.dictionaries(
    st.sampled_from(["module", "host", "environment", "param.a", "param.b"]), patterns, min_size=1, max_size=3
)
calls = st.fixed_dictionaries(
    {
        "module": st.sampled_from(["file", "copy", "shell", "a.b.c"]),
        "params": st.dictionaries(st.sampled_from("abc"), st.text("ab", max_size=2) | st.booleans(), max_size=2),
        "host": st.sampled_from(["a", "b", "localhost"]),
        "groups": st.lists(st.sampled_from(["file", "copy"]), max_size=2),
        "environment": st.sampled_from(["", "a"]),
        "observing": st.booleans(),
    }
)


@given(st.lists(matches, max_size=4), matches, calls, st.integers(0, 4))
def test_a_further_rule_never_allows_what_was_denied(
    given_matches: list[dict[str, str]], more: dict[str, str], call: dict[str, Any], at: int
) -> None:
    before = is_denied(policy(*given_matches), **call)
    after = is_denied(policy(*given_matches[:at], more, *given_matches[at:]), **call)
    assert after or not before


@given(matches, calls)
def test_any_exact_match_is_found(match: dict[str, str], call: dict[str, Any]) -> None:
    texts = {"module": call["module"], "host": call["host"], "environment": call["environment"]}
    texts |= {f"param.{name}": value for name, value in call["params"].items() if isinstance(value, str)}
    if all(key in texts and fnmatchcase(texts[key], pattern) for key, pattern in match.items()):
        assert is_denied(policy(match), **{**call, "observing": False})


@given(st.lists(matches, max_size=3), calls)
def test_the_spelling_of_a_builtin_module_makes_no_difference(
    given_matches: list[dict[str, str]], call: dict[str, Any]
) -> None:
    if "." not in call["module"]:
        full = {**call, "module": f"ansible.builtin.{call['module']}"}
        assert is_denied(policy(*given_matches), **call) == is_denied(policy(*given_matches), **full)


# --- files ---------------------------------------------------------------------------------------------------------

GOOD = """
rules:
  - decision: deny
    match: {module: shell, host: "prod-*"}
    reason: No shell in production
  - decision: deny
    match:
      param.port: 22
      param.force: yes
    applies_to: [actions, observations]
"""


def test_a_policy_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "policy.yml"
    file.write_text(GOOD)
    first, second = load_policy(file).rules
    assert (first.number, first.reason, first.source) == (1, "No shell in production", "policy.yml line 3")
    assert first.match == {"module": "shell", "host": "prod-*"}
    assert first.applies_to == {AppliesTo.ACTIONS}
    assert second.match == {"param.port": "22", "param.force": "true"}
    assert second.applies_to == {AppliesTo.ACTIONS, AppliesTo.OBSERVATIONS}


def test_a_policy_directory_is_read_in_name_order(tmp_path: Path) -> None:
    for name, module in (("b.yaml", "copy"), ("a.yml", "file"), ("c.txt", "shell")):
        (tmp_path / name).write_text(f"rules:\n- decision: deny\n  match: {{module: {module}}}\n")
    rules = load_policy(tmp_path).rules
    assert [(rule.number, rule.match["module"]) for rule in rules] == [(1, "file"), (2, "copy")]


def test_no_policy_and_no_rules_deny_nothing(tmp_path: Path) -> None:
    assert judge(Policy()).ruling is Ruling.ALLOW
    (tmp_path / "p.yml").write_text("rules: []\n")
    assert load_policy(tmp_path / "p.yml").rules == ()


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("rule:\n- decision: deny", 1, "did you mean rules?"),
        ("rules:\n- decision: deny\n  match: {module: x}\nrule: []", 4, "did you mean rules?"),
        ("rules:\n- decision: dney\n  match: {module: x}", 2, "write `deny`"),
        ("rules:\n- match: {module: x}", 2, "has no decision"),
        ("rules:\n- decision: deny", 2, "has no match"),
        ("rules:\n- decision: deny\n  match: {}", 3, "match is empty"),
        ("rules:\n- decision: deny\n  match: {modul: x}", 3, "did you mean module?"),
        ("rules:\n- decision: deny\n  match: {param.: x}", 3, "'param.'"),
        ("rules:\n- decision: deny\n  match:\n    module: x\n    module: y", 5, "'module' twice"),
        ("rules:\n- decision: deny\n  match: {module: [a, b]}", 3, "one rule for each"),
        ("rules:\n- decision: deny\n  match: {module: }", 3, "the value is missing"),
        ("rules:\n- decision: deny\n  match: {module: x}\n  reasons: y", 4, "did you mean reason?"),
        ("rules:\n- decision: deny\n  match: {module: x}\n  applies_to: [all]", 4, "cannot apply to 'all'"),
        ("rules:\n- decision: deny\n  match: {module: x}\n  applies_to: []", 4, "is empty"),
        ("rules:\n- decision: ask\n  match: {module: x}\n  applies_to: model_calls", 4, "about actions alone"),
        ("rules:\n- decision: ask\n  match: {module: x}\n  applies_to: [actions, observations]", 4, "actions alone"),
        ("rules:\n- deny", 2, "not a mapping"),
        ("rules: deny", 1, "not a list"),
        ("- decision: deny", 1, "not a mapping"),
        ("rules:\n  - a: [", 2, "it is not YAML"),
        ("{}", 1, "it has no rules"),
        ('rules:\n- decision: deny\n  match: {module: "\\uD800"}', 3, "half a character"),
        ('rules:\n- decision: deny\n  match: {"param.\\uD800": x}', 3, "half a character"),
        ('rules:\n- decision: deny\n  match: {module: x}\n  reason: "\\uDFFF"', 4, "half a character"),
        ('rules:\n- decision: ask\n  match: {module: x}\n  group: "\\uD800"', 4, "half a character"),
        ('rules:\n- decision: deny\n  match: {module: "\\UFFFFFFFF"}', 3, "it is not YAML"),
        ('rules:\n- decision: deny\n  match: {module: "\\U00110000"}', 3, "it is not YAML"),
        ("rules:\n- decision: deny\n  match: {module: \x01}", 3, "special characters"),
        ("rules:\n- decision: ask\n  match: {module: x}\n  people: " + "9" * 4000, 4, "from 1 to 100"),
        ("rules:\n- decision: ask\n  match: {module: x}\n  people: 101", 4, "from 1 to 100"),
        ("rules:\n- decision: ask\n  match: {module: x}\n  people: " + "\u0662", 4, "from 1 to 100"),
        ("rules:\n- decision: ask\n  match: {module: x}\n  expires: " + "9" * 5000, 4, "too long"),
        ("rules:\n- decision: ask\n  match: {module: x}\n  expires: !!int x", 4, "a duration such as"),
        ("rules:\n- decision: deny\n  match: {module: !!bool x, param.a: !!timestamp x, b: c}", 3, "'b'"),
        ("rules:\n- decision: deny\n  match: {module: " + "x" * 5000 + "}", 3, "too long"),
        ("rules:\n- &a {decision: deny, match: {module: x}}\n- *a", 3, "aliases are not used"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, line: int, part: str) -> None:
    file = tmp_path / "policy.yml"
    file.write_text(text)
    with pytest.raises(Problem) as caught:
        load_policy(file)
    assert str(caught.value).startswith(("cannot use the policy", "cannot read the policy"))
    assert f"{file} line {line}" in str(caught.value)
    assert part in str(caught.value)


def test_an_invalid_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot find the policy"):
        load_policy(tmp_path / "none.yml")
    with pytest.raises(Problem, match="directory has no"):
        load_policy(tmp_path)
    (tmp_path / "empty.yml").write_text("# nothing\n")
    with pytest.raises(Problem, match="it is empty"):
        load_policy(tmp_path / "empty.yml")
    (tmp_path / "bytes.yml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(Problem, match=r"bytes.yml line 1: it is not UTF-8"):
        load_policy(tmp_path / "bytes.yml")


def test_rules_are_numbered_through_all_files(tmp_path: Path) -> None:
    rule = "- decision: deny\n  match: {module: x}\n"
    (tmp_path / "10.yaml").write_text("rules:\n" + 3 * rule)
    (tmp_path / "20.yaml").write_text("rules:\n" + 2 * rule)
    assert [one.number for one in load_policy(tmp_path).rules] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("LARGEST_POLICY", 1000, "b.yml: the policy is larger"),
        ("MOST_RULES", 7, "b.yml line 5: the policy has more than 7 rules"),
        ("MOST_NODES", 30, "a.yml line 5: the file has more than 30 values"),
    ],
)
def test_a_policy_is_bounded_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    for name in ("a.yml", "b.yml"):
        rules = "- {decision: deny, match: {module: x}}\n" * 4
        (tmp_path / name).write_text(f"rules:\n{rules}{'# x' * 200}\n")
    assert len(load_policy(tmp_path).rules) == 8
    monkeypatch.setattr(f"ftl2_enterprise.gate.policy.file.{limit}", value)
    with pytest.raises(Problem, match=message):
        load_policy(tmp_path)


def test_a_file_whose_name_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\udcff.yml").write_text(GOOD)
    with pytest.raises(Problem, match="its name is not UTF-8"):
        load_policy(tmp_path)


@pytest.mark.parametrize(
    ("match", "params"),
    [
        ({"param.owner": "root"}, {"owner": "00"}),
        ({"param.owner": "00"}, {"owner": "root"}),
        ({"param.owner": "0100"}, {"owner": 100}),
        ({"param.group": "100"}, {"group": "+100"}),
        ({"param.mode": "u=rwx,go=u"}, {"mode": "0777"}),
    ],
)
def test_owners_and_modes_are_compared_as_numbers(match: dict[str, str], params: dict[str, Any]) -> None:
    assert denies(match, params={"path": "/x", **params})


@pytest.mark.parametrize("written", ["foo-bar", "foo_bar", "foo.bar", "Foo-._Bar"])
@pytest.mark.parametrize("name", ["foo-bar", "foo_bar==1.*", "foo.bar", "FOO--Bar[extra]>=2", ["x", "foo__bar"]])
def test_names_of_python_packages_are_compared_in_their_normal_form(written: str, name: Any) -> None:
    assert denies({"param.name": written}, "pip", {"name": name})


def test_names_of_other_packages_are_not_those_of_python() -> None:
    assert denies({"param.name": "python3.*"}, "apt", {"name": "python3.13"})
    assert not denies({"param.name": "python3.*"}, "apt", {"name": "python3-yaml"})
    assert not denies({"param.name": "foo.bar"}, "pip", {"name": "foobar"})
    assert denies({"param.name": "foo.*"}, "pip", {"name": "foo_x"})
