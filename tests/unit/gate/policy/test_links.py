"""Paths that lead elsewhere: each of their names is judged separately, and the strictest decision counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, strategies as st

from ftl2_enterprise.gate import judge as gate
from ftl2_enterprise.gate.approvals import ApprovalNeed
from ftl2_enterprise.gate.effects import Effect, EffectKind, Fence, Origin
from ftl2_enterprise.gate.policy.types import AppliesTo, Policy, PolicyRule, RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl2_enterprise.gate.verdicts import Verdict

type Rules = Sequence[tuple[RuleDecision, str, str]]
"""Of each rule the decision, the module and the path."""

STRICTNESS = [Ruling.ALLOW, Ruling.ASK, Ruling.DENY]
ALLOW, ASK, DENY = RuleDecision.ALLOW, RuleDecision.ASK, RuleDecision.DENY


def policy(rules: Rules, *, is_site: bool = True) -> Policy:
    made = (
        PolicyRule(
            number=n, match={"module": module, "param.path": path}, reason="", source=f"p.yml line {n}",
            decision=decision, needs=ApprovalNeed(people=n),
        )
        for n, (decision, module, path) in enumerate(rules, 1)
    )  # fmt: skip
    return Policy(rules=tuple(made), is_site=is_site)


def effect(module: str, **params: Any) -> Effect:
    return Effect(kind=EffectKind.ACTION, origin=Origin.MODEL, subject="test:1", module=module, params=params)


def judge(
    one: Effect,
    site: Rules,
    loop: Rules = (),
    default: RuleDecision = ALLOW,
    *,
    resolved: Mapping[str, tuple[str, ...]] | None = None,
) -> Verdict:
    context = gate.GateContext(policies=(policy(site), policy(loop, is_site=False)), defaults={Origin.MODEL: default})
    return gate.judge(gate.with_paths(one, resolved or {}), context)


# `/strict` is a directory of the host; the others are names of it, or of a file in it.
CALLS = {
    "copy": lambda path: {"dest": path, "src": "sshd"},
    "file": lambda path: {"path": path, "state": "absent"},
    "command": lambda path: {"cmd": f"touch {path} /other/file"},
    "git": lambda path: {"repo": "https://example.org/x", "dest": path},
    "unknown_module": lambda path: {"target": path},
}
WRITTEN = ["/link", "/link/x", "/a/link", "/link/d"]
PLACES = [
    ("/strict/",),
    ("/strict/x",),
    ("/strict/x", "/b/link"),
    ("/strict/", "/b/link"),
    ("/strict/d/", "/strict/e"),
]
PATTERNS = ["*", "/link", "/link*", "/link/*", "/a/*", "/b/*", "/strict", "/strict/*", "/strict/x", "/strict/d/*",
            "/other/*", "/*/x"]  # fmt: skip
rules = st.lists(
    st.tuples(st.sampled_from(RuleDecision), st.sampled_from(["*", *CALLS]), st.sampled_from(PATTERNS)), max_size=4
)


def found(path: str, *places: str) -> dict[str, tuple[str, ...]]:
    """What a host answers about a path and, if it is a directory, about the file that `copy` writes in it."""
    inside = {f"{path}/sshd": (f"{places[0]}sshd",)} if places[0].endswith("/") else {}
    return {path: places, **inside}


def is_at_least(verdict: Verdict, other: Verdict) -> bool:
    """Whether a verdict permits nothing, and takes no person away, that another does not."""
    if STRICTNESS.index(verdict.ruling) < STRICTNESS.index(other.ruling):
        return False
    return verdict.ruling is Ruling.DENY or set(other.needs) <= set(verdict.needs)


@given(
    site=rules, loop=rules, default=st.sampled_from(RuleDecision), module=st.sampled_from(list(CALLS)),
    written=st.sampled_from(WRITTEN), places=st.sampled_from(PLACES),
)  # fmt: skip
@example([(ASK, "*", "/link"), (DENY, "*", "/strict")], [], ALLOW, "command", "/link", ("/strict/",))
@example([(ALLOW, "*", "/link")], [], ASK, "copy", "/link", ("/strict/x",))
@example([(ALLOW, "*", "/strict/*")], [], DENY, "copy", "/link", ("/strict/x", "/b/link"))
@example([], [(ASK, "*", "/link*"), (ASK, "*", "*")], ALLOW, "copy", "/link", ("/strict/x",))
def test_no_name_of_a_path_permits_what_another_does_not(site, loop, default, module, written, places):
    one = effect(module, **CALLS[module](written))
    verdict = judge(one, site, loop, default, resolved=found(written, *places))
    assert is_at_least(verdict, judge(one, site, loop, default))
    for place in places:
        path = place.rstrip("/")
        named = effect(module, **CALLS[module](path))
        assert is_at_least(verdict, judge(named, site, loop, default, resolved=found(path, place)))


UNSTATED = [
    ("command", {"cmd": "touch /a/li''nk"}, "/a/link"),
    ("command", {"cmd": 'sh -c "rm /a/link"'}, "/a/link"),
    ("user", {"name": "bob", "generate_ssh_key": True, "ssh_key_file": "k/id"}, "~bob/k/id"),
    ("authorized_key", {"user": "bob", "key": "k"}, "~bob/.ssh/authorized_keys"),
    ("cron", {"name": "n", "cron_file": "link"}, "/etc/cron.d/link"),
    ("cron", {"name": "n", "job": "true"}, "/var/spool/cron"),
    ("file", {"path": "/tmp/l", "src": "/a/link", "state": "hard"}, "/a/link"),
    ("copy", {"dest": "/a", "src": "link"}, "/a/link"),
]


@pytest.mark.parametrize(("module", "params", "path"), UNSTATED)
@pytest.mark.parametrize("decision", [DENY, ASK])
def test_a_rule_about_a_link_does_not_hide_one_about_its_place(module, params, path, decision):
    one = effect(module, **params)
    known = gate.paths_to_resolve(one, gate.GateContext(policies=(policy([(DENY, "*", "/nothing/*")]),)))
    assert path in known
    # Every other path leads to itself; `/a` is a directory.
    resolved = {other: (other if other != "/a" else "/a/",) for other in known} | {path: ("/strict/x",)}
    link, guess = f"{path}*", path.replace("~bob", "/home/bob*")
    rules = [(ASK, "*", link), (ASK, "*", guess), (decision, "*", "/strict/*")]
    assert judge(one, rules).ruling is Ruling.ASK
    verdict = judge(one, rules, resolved=resolved)
    assert verdict.ruling is Ruling(decision)
    assert decision is DENY or ApprovalNeed(people=3) in verdict.needs


def test_a_path_that_leads_nowhere_is_compared_as_it_is_written():
    one = effect("copy", dest="/link", src="a")
    assert judge(one, [(ASK, "*", "/link*")], resolved={"/link": ()}).ruling is Ruling.ASK


@pytest.mark.parametrize("allowed", ["/link/x", "/strict/x"])
def test_the_default_counts_for_each_name_that_the_site_does_not_allow(allowed):
    one, resolved = effect("copy", dest="/link/x"), {"/link/x": ("/strict/x",)}
    assert judge(one, [(ALLOW, "*", allowed)], default=ASK, resolved=resolved).ruling is Ruling.ASK
    for both in ([(ALLOW, "*", "/link/x"), (ALLOW, "*", "/strict/x")], [(ALLOW, "*", "/*/x")]):
        assert judge(one, both, default=ASK, resolved=resolved).ruling is Ruling.ALLOW
    # A rule of the loop's policy replaces no default.
    loop = [(ALLOW, "*", "/*/x")]
    assert judge(one, [], loop, default=ASK, resolved=resolved).ruling is Ruling.ASK


def test_a_file_in_a_linked_directory_is_judged_under_the_name_of_the_link():
    one = effect("copy", dest="/a/l", src="x")
    resolved = {"/a/l": ("/strict/", "/b/l"), "/a/l/x": ("/strict/x",)}
    assert judge(one, [(DENY, "*", "/b/l/*")], resolved=resolved).ruling is Ruling.DENY


@pytest.mark.parametrize(
    ("module", "params", "also"),
    [
        ("command", {"cmd": "make install", "chdir": "/link/x"}, {"param.cmd": "make *", "param.chdir": "/link/*"}),
        ("user", {"name": "bob", "home": "/link/x"}, {"param.name": "bob", "param.home": "/link/*"}),
        ("pip", {"name": "flask", "virtualenv": "/link/x"}, {"param.name": "flask", "param.virtualenv": "/link/*"}),
        ("command", {"cmd": "touch made", "chdir": "/link/x"}, {"class": "commands", "param.chdir": "/link/*"}),
    ],
)
def test_a_rule_that_allows_a_link_is_about_the_place_to_which_it_leads(module, params, also):
    allowed = PolicyRule(number=1, match={"module": module, **also}, reason="", source="", decision=ALLOW)
    context = gate.GateContext(policies=(Policy(rules=(allowed,), is_site=True),), defaults={Origin.MODEL: DENY})
    one = effect(module, **params)
    assert gate.judge(one, context).ruling is Ruling.ALLOW
    paths = gate.paths_to_resolve(one, context)
    assert "/link/x" in paths
    resolved = {path: (path,) for path in paths} | {"/link/x": ("/strict/",)}
    assert gate.judge(gate.with_paths(one, resolved), context).ruling is Ruling.DENY


def test_paths_of_a_list_in_one_text_are_resolved_one_by_one():
    one = effect("lvg", vg="v", pvs="/dev/l,/dev/b")
    context = gate.GateContext(policies=(policy([(DENY, "*", "/dev/x")]),))
    assert {"/dev/l", "/dev/b"} <= set(gate.paths_to_resolve(one, context))


@pytest.mark.parametrize("places", [("/d",), ("/d/",), ("/e",)])
def test_a_file_in_what_is_no_directory_yet_is_judged(places):
    one = effect("copy", dest="/d", src="x")
    rules = [(DENY, "*", "/d/x")]
    assert judge(one, rules).ruling is judge(one, rules, resolved={"/d": places}).ruling is Ruling.DENY


@pytest.mark.parametrize(
    ("also", "is_allowed"),
    [({}, False), ({"host": "*"}, False), ({"module": "shell"}, True), ({"class": "commands"}, True),
     ({"param.cmd": "*"}, True)],
)  # fmt: skip
def test_a_path_alone_allows_no_command(also, is_allowed):
    allowed = PolicyRule(number=1, match={"param.path": "/srv/*", **also}, reason="", source="", decision=ALLOW)
    context = gate.GateContext(policies=(Policy(rules=(allowed,), is_site=True),), defaults={Origin.MODEL: DENY})
    command = effect("shell", cmd="touch /srv/x")
    assert (gate.judge(command, context).ruling is Ruling.ALLOW) is is_allowed
    copied = gate.judge(effect("copy", dest="/srv/x", content="a"), context).ruling
    assert (copied is Ruling.ALLOW) is ("module" not in also and "class" not in also and "param.cmd" not in also)


@pytest.mark.parametrize("path", ["/etc/ssh/*", "/etc/motd", "/etc/*"])
@pytest.mark.parametrize("places", [(), ("/etc/motd",)])
@pytest.mark.parametrize("written", ["/etc/ssh/../motd", "/etc/ssh/x/../../motd"])
def test_both_readings_of_a_path_that_leads_upwards_can_deny(written, places, path):
    one, resolved = effect("copy", dest=written, content=""), {written: places} if places else {}
    assert judge(one, [(DENY, "*", path)], resolved=resolved).ruling is Ruling.DENY
    allowing = [(ALLOW, "*", path), (DENY, "*", "*")]
    expected = Ruling.DENY if "ssh" in path else Ruling.ALLOW
    assert judge(one, allowing, resolved=resolved).ruling is expected


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("paths", {"paths": ["/link/f"]}),
        ("paths", {"sha256": ["/link/f"]}),
        ("uri", {"url": "http://h.example", "src": "/link/f"}),
        ("slurp", {"src": "/link/f"}),
    ],
)
def test_a_rule_about_paths_is_about_what_a_module_reads_that_only_reads(module: str, params: dict[str, Any]) -> None:
    rule = PolicyRule(
        number=1,
        match={"param.path": "/secret/*"},
        decision=RuleDecision.DENY,
        reason="",
        source="x",
        applies_to=frozenset({AppliesTo.OBSERVATIONS}),
    )
    context = gate.GateContext(policies=(Policy(rules=(rule,)),))
    effect = Effect(
        kind=EffectKind.OBSERVATION,
        origin=Origin.MODEL,
        subject="loop:1",
        module=module,
        params=params,
        fence=Fence.READING,
    )
    assert "/link/f" in gate.paths_to_resolve(effect, context)
    assert gate.judge(gate.with_paths(effect, {"/link/f": ("/secret/f",)}), context).ruling is Ruling.DENY
