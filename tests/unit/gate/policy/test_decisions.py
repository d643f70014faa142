"""Which decision counts: of one policy, of several, and of none; what a rule that allows must match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.gate import judge as gate
from ftl2_enterprise.gate.approvals import ApprovalNeed, ApproverAccess
from ftl2_enterprise.gate.effects import Effect, EffectKind, Fence, HostIdentity, Origin
from ftl2_enterprise.gate.module_table import TABLE, Module
from ftl2_enterprise.gate.modules import canonical
from ftl2_enterprise.gate.policy.file import load_policy
from ftl2_enterprise.gate.policy.paths import WORDS_LIMIT
from ftl2_enterprise.gate.policy.types import AppliesTo, Policy, PolicyRule, RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl2_enterprise.gate.verdicts import Verdict

ALL = {"module": "*"}
DECIDED = {RuleDecision.ALLOW: Ruling.ALLOW, RuleDecision.ASK: Ruling.ASK, RuleDecision.DENY: Ruling.DENY}


def policy(*rules: tuple[str, Mapping[str, str]], **kw: Any) -> Policy:
    made = (
        PolicyRule(number=n, match=match, reason="", source=f"p.yml line {n}", decision=RuleDecision(decision))
        for n, (decision, match) in enumerate(rules, 1)
    )
    return Policy(rules=tuple(made), **kw)


def judge(policies: Sequence[Policy], module: str = "apt", /, **kw: Any) -> Verdict:
    defaults = kw.pop("defaults", {})
    resolved = kw.pop("resolved", {})
    effect = Effect(
        kind=kw.pop("kind", EffectKind.ACTION),
        origin=kw.pop("origin", Origin.MODEL),
        subject="test:1",
        module=module,
        host=kw.pop("host", HostIdentity()),
        fence=kw.pop("fence", Fence.NONE),
        params=kw,
    )
    context = gate.GateContext(policies=policies, defaults=defaults)
    return gate.judge(gate.with_paths(effect, resolved), context)


def allows(match: Mapping[str, str], module: str = "apt", /, **kw: Any) -> bool:
    """Whether a rule that allows is about the effect, before one that denies everything."""
    return judge([policy(("allow", match), ("deny", ALL))], module, **kw).ruling is Ruling.ALLOW


@pytest.mark.parametrize("first", list(RuleDecision))
@pytest.mark.parametrize("second", list(RuleDecision))
def test_the_first_matching_rule_of_a_policy_decides(first: RuleDecision, second: RuleDecision) -> None:
    assert judge([policy((first, ALL), (second, ALL))]).ruling is DECIDED[first]


@pytest.mark.parametrize("site", list(RuleDecision))
@pytest.mark.parametrize("loop", list(RuleDecision))
def test_of_two_policies_the_stricter_decision_counts(site: RuleDecision, loop: RuleDecision) -> None:
    found = judge([policy((site, ALL), is_site=True), policy((loop, ALL))])
    assert found.ruling is DECIDED[max(site, loop, key=lambda one: one.strictness)]


@pytest.mark.parametrize("default", list(RuleDecision))
def test_the_default_of_the_origin_counts_unless_the_site_decides(default: RuleDecision) -> None:
    defaults = {Origin.MODEL: default}
    assert judge([], defaults=defaults).ruling is DECIDED[default]
    assert judge([policy(("allow", ALL))], defaults=defaults).ruling is DECIDED[default]
    assert judge([policy(("allow", ALL), is_site=True)], defaults=defaults).ruling is Ruling.ALLOW
    assert judge([], defaults=defaults, origin=Origin.MANIFEST).ruling is Ruling.ALLOW
    assert judge([], defaults=defaults, kind=EffectKind.OBSERVATION, fence=Fence.READING).ruling is Ruling.ALLOW


def test_a_default_is_named_in_the_sentence() -> None:
    found = judge([], defaults={Origin.MODEL: RuleDecision.ASK})
    assert found.reason == "approval is required: the setting policy.defaults.model is `ask`"
    assert found.needs == (ApprovalNeed(),)


def test_a_policy_that_cannot_be_used_denies_everything() -> None:
    broken = Policy(is_site=True, problem="cannot use the site policy x.yaml line 1: it has no rules")
    for kind in EffectKind:
        found = judge([broken, policy(("allow", ALL))], kind=kind)
        assert (found.ruling, found.reason) == (Ruling.DENY, f"denied: {broken.problem}")


def test_the_site_policy_is_named_with_its_revision() -> None:
    site = policy(("deny", ALL), is_site=True, revision="0123456789abcdef" * 4)
    found = judge([site])
    assert found.reason == "denied by site policy rule 1 (p.yml line 1, revision 0123456789ab)"
    assert found.revision == site.revision


def test_a_rule_about_actions_is_not_about_model_calls() -> None:
    assert judge([policy(("deny", ALL))], kind=EffectKind.MODEL_CALL).ruling is Ruling.ALLOW
    assert judge([policy(("deny", ALL))], "add_host", kind=EffectKind.STATE).ruling is Ruling.DENY
    rule = PolicyRule(number=1, match=ALL, reason="", source="", applies_to=frozenset({AppliesTo.MODEL_CALLS}))
    assert judge([Policy(rules=(rule,))], kind=EffectKind.MODEL_CALL).ruling is Ruling.DENY
    assert judge([Policy(rules=(rule,))]).ruling is Ruling.ALLOW


PROD = HostIdentity(name="prod-1", connection="ssh", address="10.0.0.1", names=("prod",))
ALIAS = HostIdentity(name="web", connection="ssh", address="10.0.0.1", others=(("prod-1", "prod"),))
NEW = HostIdentity(name="web", connection="ssh", address="10.0.0.2", names=("staging",), is_registered=True)


@pytest.mark.parametrize(
    ("match", "module", "kw", "allowed"),
    [
        ({"param.name": "nginx"}, "apt", {"name": "nginx"}, True),
        ({"param.name": "nginx"}, "apt", {"name": ["nginx", "nginx=1.2"]}, True),
        ({"param.name": "nginx"}, "apt", {"name": ["nginx", "openssh-server"]}, False),
        ({"param.name": "nginx*"}, "apt", {"name": "nginx,openssh-server"}, False),
        ({"param.name": "nginx*"}, "apt", {"name": []}, False),
        ({"param.name": "nginx"}, "apt", {}, False),
        ({"module": "apt"}, "apt", {"name": "x"}, True),
        ({"module": "apt"}, "apt", {"name": "x", "dpkg_options": "pre-invoke=id"}, False),
        ({"class": "packages"}, "apt", {"name": "x", "dpkg_options": "pre-invoke=id"}, False),
        ({"class": "packages"}, "apt", {"name": "x"}, True),
        ({"class": "files"}, "get_url", {"url": "http://x", "dest": "/x"}, False),
        ({"module": "shell"}, "cron", {"job": "id"}, False),
        ({"module": "shell"}, "shell", {"cmd": "id"}, True),
        ({"module": "lineinfile"}, "lineinfile", {"path": "/x", "validate": "id %s"}, False),
        (
            {"module": "lineinfile", "param.validate": "id %s"},
            "lineinfile",
            {"path": "/x", "validate": "id %s"},
            True,
        ),
        ({"param.path": "/srv/*"}, "copy", {"dest": "/srv/x"}, True),
        ({"param.path": "/srv/*"}, "copy", {"dest": "/srv/../etc/x"}, False),
        ({"param.path": "/srv/*"}, "copy", {"dest": "/srv/x", "resolved": {"/srv/x": ["/etc/x"]}}, False),
        ({"param.path": "/srv/*"}, "copy", {"dest": "/srv/x", "resolved": {"/srv/x": ["/srv/y", "/srv/x"]}}, True),
        ({"param.path": "/srv/*"}, "unarchive", {"src": "x", "dest": "/srv/x"}, True),
        ({"param.path": "/srv/x"}, "unarchive", {"src": "x", "dest": "/srv/x"}, False),
        ({"param.path": "/srv/*"}, "shell", {"cmd": "cat /srv/x /etc/x"}, False),
        ({"host": "prod"}, "ping", {"host": PROD}, True),
        ({"host": "web"}, "ping", {"host": ALIAS}, False),
        ({"host": "*"}, "ping", {"host": ALIAS}, True),
        ({"host": "staging"}, "ping", {"host": NEW}, False),
        ({"host": "web"}, "ping", {"host": NEW}, False),
        ({"host": "10.0.0.1"}, "ping", {"host": PROD}, False),
        ({"origin": "model"}, "ping", {}, True),
        ({"origin": "rule"}, "ping", {}, False),
    ],
)
def test_a_rule_that_allows_must_match_everything(
    match: dict[str, str], module: str, kw: dict[str, Any], *, allowed: bool
) -> None:
    assert allows(match, module, **kw) is allowed


@pytest.mark.parametrize(
    ("match", "module", "kw"),
    [
        ({"param.name": "nginx"}, "apt", {"name": "openssh-server"}),
        ({"param.path": "/etc/ssh/*"}, "copy", {"dest": "/etc/sshd"}),
        ({"param.path": "/etc/ssh/*"}, "copy", {"dest": "/etc/motd", "src": "a/sshd_config"}),
        ({"param.path": "/etc/ssh/*"}, "file", {"path": "/srv", "state": "absent"}),
        ({"param.path": "/etc/ssh/*"}, "shell", {"cmd": "ls /etcetera"}),
        ({"param.path": "*.key"}, "shell", {"cmd": "ls /tmp"}),
        ({"param.path": "/etc/ssh/*"}, "apt", {"name": "nginx"}),
        ({"param.mode": "0777"}, "file", {"path": "/x", "mode": "0755"}),
        ({"param.mode": "0777"}, "file", {"path": "/x", "mode": "u=rwx,g=rx,o=rx"}),
        ({"param.cmd": "rm *"}, "shell", {"cmd": "echo rm"}),
        ({"module": "shell"}, "user", {"name": "x"}),
        ({"module": "shell"}, "lineinfile", {"path": "/x", "line": "y"}),
        ({"class": "commands"}, "copy", {"dest": "/x", "content": "y"}),
        ({"host": "prod"}, "ping", {"host": NEW}),
        ({"host": "localhost"}, "ping", {"host": PROD}),
        ({"param.name": "ssh"}, "systemd", {"name": "sshd"}),
    ],
)
def test_a_rule_that_denies_does_not_deny_something_else(
    match: dict[str, str], module: str, kw: dict[str, Any]
) -> None:
    assert judge([policy(("deny", match))], module, **kw).ruling is Ruling.ALLOW


decisions = st.sampled_from(list(RuleDecision))
rules = st.tuples(decisions, st.sampled_from([ALL, {"module": "apt"}, {"module": "copy"}, {"class": "packages"}]))


@given(st.lists(rules, max_size=4), st.lists(rules, max_size=4), decisions)
def test_another_policy_only_narrows(
    site: list[tuple[RuleDecision, dict[str, str]]],
    loop: list[tuple[RuleDecision, dict[str, str]]],
    default: RuleDecision,
) -> None:
    alone = judge([policy(*site, is_site=True)], defaults={Origin.MODEL: default}).ruling
    both = judge([policy(*site, is_site=True), policy(*loop)], defaults={Origin.MODEL: default}).ruling
    order = [Ruling.ALLOW, Ruling.ASK, Ruling.DENY]
    assert order.index(both) >= order.index(alone)


# --- files ---------------------------------------------------------------------------------------------------------

ASK = """
rules:
- decision: ask
  match: {class: packages}
  by: admin
  group: dba
  people: 2
  not_requester: true
  expires: 90m
- decision: ask
  match: {module: copy}
"""


def test_the_fields_of_a_rule_that_asks(tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text(ASK)
    first, second = load_policy(file).rules
    assert first.decision is RuleDecision.ASK
    assert first.needs == ApprovalNeed(
        by=ApproverAccess.ADMINISTER, group="dba", people=2, not_requester=True, expires=5400.0
    )
    assert second.needs == ApprovalNeed()
    found = judge([load_policy(file)], "apt", name="nginx")
    assert (found.ruling, found.needs) == (Ruling.ASK, (first.needs,))
    assert found.reason == "approval is required by policy rule 1 (p.yml line 3)"


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ("decision: deny\n  match: {module: x}\n  by: admin", "belongs to a rule with `decision: ask`"),
        ("decision: ask\n  match: {module: x}\n  by: root", "`by` cannot be 'root'; write operate or admin"),
        ("decision: ask\n  match: {module: x}\n  people: 0", "`people` cannot be '0'"),
        ("decision: ask\n  match: {module: x}\n  people: many", "`people` cannot be 'many'"),
        ("decision: ask\n  match: {module: x}\n  expires: soon", "`expires` cannot be 'soon'"),
        ("decision: ask\n  match: {module: x}\n  expires: 0s", "`expires` cannot be '0s'"),
        ("decision: ask\n  match: {module: x}\n  group: ''", "`group` is empty"),
        ("decision: ask\n  match: {module: x}\n  not_requester: maybe", "write true or false"),
        ("decision: deny\n  match: {class: package}", "there is no class 'package'; write one of commands, packages"),
        ("decision: deny\n  match: {origin: me}", "there is no origin 'me'"),
        ("decision: maybe\n  match: {module: x}", "write `deny`, `ask` or `allow`"),
    ],
)
def test_a_mistake_in_a_rule_is_named_with_file_and_line(tmp_path: Path, lines: str, part: str) -> None:
    file = tmp_path / "p.yml"
    file.write_text(f"rules:\n- {lines}\n")
    with pytest.raises(Problem) as caught:
        load_policy(file)
    assert str(caught.value).startswith(f"cannot use the policy {file} line ")
    assert part in f"{caught.value.message}; {caught.value.hint}"


SSH = {"param.path": "/etc/ssh/*"}
MANY = "x " * WORDS_LIMIT


@pytest.mark.parametrize("decision", ["deny", "ask"])
@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("shell", {"cmd": f": {MANY}; touch /etc/ssh/made"}),
        ("shell", {"cmd": "sh", "stdin": f": {MANY}; touch $x"}),
        ("shell", {"cmd": "".join(f"/{one} " for one in range(WORDS_LIMIT)) + "/etc/ssh/made"}),
        ("tempfile", {"path": "/tmp", "prefix": "../etc/ssh/made"}),
        ("tempfile", {"suffix": "/../../etc/ssh/made"}),
        ("cron", {"name": "x", "cron_file": "../ssh/made", "job": "id"}),
        ("cronvar", {"name": "x", "cron_file": "../ssh/made"}),
        ("yum_repository", {"name": "x", "file": "../ssh/made"}),
        ("yum_repository", {"name": "x", "reposdir": "/srv", "file": "../etc/ssh/made"}),
        ("user", {"name": "bob", "ssh_key_file": "../../etc/ssh/made"}),
        ("user", {"name": "bob", "ssh_key_file": "../../srv/made"}),
        ("user", {"name": "bob", "ssh_key_file": "k", "resolved": {"~bob/k": ["/etc/ssh/k"]}}),
        ("yum_repository", {"file": "k", "resolved": {"/etc/yum.repos.d/k.repo": ["/etc/ssh/k"]}}),
        ("file", {"path": "/srv/x", "src": "/etc/ssh/x", "state": "link"}),
        ("file", {"path": "/etc/x", "src": "ssh/x", "state": "link"}),
        ("file", {"path": "/h", "src": "/l/x", "state": "hard", "resolved": {"/l/x": ["/etc/ssh/x"]}}),
        ("shell", {"cmd": "true # don't\ntouch /etc/ss''h/made"}),
        ("shell", {"cmd": "cp x /e?c/ssh/"}),
        ("shell", {"cmd": "cp x /*/ssh/"}),
        ("shell", {"cmd": "cp x /srv/*/../../e?c/ssh/"}),
        ("shell", {"cmd": "cp x /l/s?h/", "resolved": {"/l/s?h/": ["/etc/s?h"]}}),
    ],
)
def test_a_rule_about_a_path_is_not_evaded(decision: str, module: str, params: dict[str, Any]) -> None:
    assert judge([policy((decision, SSH))], canonical(module), **params).ruling is DECIDED[RuleDecision(decision)]


def test_a_rule_that_allows_a_path_covers_no_command_with_more_words_than_are_compared() -> None:
    assert allows({"module": "shell", "param.path": "/srv/*"}, "shell", cmd="touch /srv/x")
    assert not allows({"module": "shell", "param.path": "/srv/*"}, "shell", cmd=f"touch /srv/x; : {MANY}; touch /x")


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("tempfile", {"path": "/tmp", "prefix": "made"}),
        ("cron", {"name": "x", "cron_file": "made", "job": "id"}),
        ("user", {"name": "bob", "ssh_key_file": ".ssh/made"}),
        ("file", {"path": "/srv/l", "src": "ssh/x", "state": "link"}),
        ("shell", {"cmd": 'echo "don\'t" # ssh'}),
        ("shell", {"cmd": "awk '/^load[0-9]/' /srv/x* # /srv/*/.x"}),
    ],
)
def test_what_is_elsewhere_is_not_denied(module: str, params: dict[str, Any]) -> None:
    assert judge([policy(("deny", SSH))], module, **params).ruling is Ruling.ALLOW


def test_derived_paths_are_resolved() -> None:
    effect = Effect(
        kind=EffectKind.ACTION,
        origin=Origin.MODEL,
        subject="test:1",
        module="file",
        params={"path": "/srv/h", "src": "/srv/l/x", "state": "hard"},
    )
    context = gate.GateContext(policies=[policy(("deny", SSH))])
    assert set(gate.paths_to_resolve(effect, context)) == {"/srv/h", "/srv/l/x"}


@pytest.mark.parametrize(
    ("pattern", "package", "allowed"),
    [
        ("nginx", "nginx", True),
        ("nginx", " nginx ", True),
        ("nginx", "nginx=1.2", True),
        ("nginx", "nginx >= 1.2", True),
        ("ngin*", "nginx==1.*", True),
        ("nginx:*", "nginx:amd64", True),
        ("@development", "@development", True),
        ("requests[socks]", "requests[socks]", True),
        ("/srv/rpm/*", "/srv/rpm/nginx.rpm", True),
        ("nginx", "nginx @ file:///tmp/evil", False),
        ("nginx*", "nginx @ https://example.org/x", False),
        ("nginx*", "nginx /tmp/evil", False),
        ("nginx", "/tmp/nginx_1_amd64.deb", False),
        ("nginx", "https://example.org/nginx-1-1.x86_64.rpm", False),
        ("nginx", "nginx[extra]", False),
        ("nginx", "nginx/testing", False),
        ("nginx", "@nginx", False),
        ("nginx", "nginx:amd64", False),
        ("nginx*", "nginx.whl", False),
        ("*", "-r", False),
        ("*", "/tmp/x.deb", False),
        ("*", ".", False),
    ],
)
def test_a_rule_that_allows_a_package_allows_its_name_or_what_is_written(
    pattern: str, package: str, *, allowed: bool
) -> None:
    assert allows({"param.name": pattern}, "pip", name=package) is allowed
    assert allows({"param.name": pattern}, "dnf", name=[package]) is allowed


@pytest.mark.parametrize(
    ("match", "module", "more"),
    [
        ({"param.name": "x"}, "pip", {"requirements": "/tmp/x"}),
        ({"param.name": "x"}, "pip", {"chdir": "/tmp/x"}),
        ({"param.name": "x"}, "pip", {"virtualenv": "/tmp/x"}),
        ({"param.name": "x"}, "apt", {"upgrade": "dist"}),
        ({"param.name": "x"}, "apt", {"default-release": "sid"}),
        ({"param.name": "x"}, "dnf", {"installroot": "/srv"}),
        ({"param.name": "x"}, "user", {"groups": ["root"]}),
        ({"param.name": "x"}, "user", {"home": "/etc"}),
        ({"param.path": "/srv/*"}, "file", {"src": "/etc/shadow", "state": "link"}),
        ({"param.cmd": "./x"}, "shell", {"chdir": "/tmp/evil"}),
        ({"param.cmd": "make"}, "command", {"chdir": "/tmp/evil"}),
    ],
)
def test_a_rule_that_allows_names_each_parameter_that_does_more(
    match: dict[str, str], module: str, more: dict[str, Any]
) -> None:
    call = {key.removeprefix("param."): value.replace("*", "x") for key, value in match.items()}
    assert allows(match, module, **call)
    assert not allows(match, module, **call, **more)
    assert allows({**match, f"param.{next(iter(more))}": "*"}, module, **call, **more)
    assert allows({"module": module}, module, **call, **more)


@pytest.mark.parametrize("one", [one for one in TABLE if one.widening or one.base], ids=lambda one: one.name)
@pytest.mark.parametrize("value", [0, False, 0.0, "0", ""])
def test_a_parameter_that_is_false_does_more_too(one: Module, value: Any) -> None:
    rule = {"module": one.name, "param.other": "x"}
    for param in filter(None, (*one.widening, one.base)):
        is_off = param in one.switches and not isinstance(value, str)
        assert allows(rule, one.name, other="x", **{param: value}) is is_off, param


def test_a_command_after_too_many_options_is_denied_and_not_allowed() -> None:
    command = f"env {'-u A ' * 200}touch x"
    assert judge([policy(("deny", {"param.cmd": "touch *"}))], "shell", cmd=command).ruling is Ruling.DENY
    assert not allows({"param.cmd": "env *"}, "shell", cmd=command)
    assert allows({"param.cmd": "env *"}, "shell", cmd="env -u A touch x")
