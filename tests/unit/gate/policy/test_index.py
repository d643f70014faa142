"""The index of a policy changes no decision: with it, the same rule is found as by comparing every rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings, strategies as st

from ftl2_enterprise.gate.effects import Effect, EffectKind, Fence, HostIdentity, Origin
from ftl2_enterprise.gate.judge import with_paths
from ftl2_enterprise.gate.modules import canonical
from ftl2_enterprise.gate.policy import match
from ftl2_enterprise.gate.policy.index import KeyIndex
from ftl2_enterprise.gate.policy.types import AppliesTo, Policy, PolicyRule, RuleDecision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATHS: tuple[str, ...] = (
    "/etc/ssh/sshd_config",
    "/etc/./ssh/x",
    "/etc",
    "/etc/ssh",
    "/srv/x/../y",
    "srv",
    "~/x",
    "/srv/*",
)
WORDS = ("nginx", "nginx=1.2", "ngin*", "ssh.service", "0777", "u=rwx,g=rwx,o=rwx", "yes", "true", "root", "0", "")
COMMANDS = (
    "cat /etc/ssh/x",
    "echo 'a b' > /etc/x",
    "cd /etc && rm ssh/x",
    "/usr/bin/id -u",
    "tar -xf x -C /etc",
    "ls",
    "cat /etc/s*/x",
)
HOSTS = ("web", "WEB.", "prod", "local", "localhost", "192.0.2.1", "w*", "*")
MODULES = (
    "shell",
    "ansible.builtin.command",
    "copy",
    "file",
    "apt",
    "service",
    "user",
    "cron",
    "uri",
    "git",
    "own.x.y",
)
PARAMS = ("path", "dest", "name", "cmd", "mode", "state", "owner", "url", "_raw_params", "argv", "src", "unknown")
TEXTS = (*PATHS, *WORDS, *COMMANDS)
KEYS = ("module", "class", "host", "environment", "origin", *(f"param.{name}" for name in PARAMS))

glob = st.builds(
    lambda text, at, sign: text[:at] + sign + text[at + 1 :],
    st.sampled_from((*TEXTS, *MODULES)),
    st.integers(0, 12),
    st.sampled_from(("*", "?", "[a-z]")),
)
hosts = st.sampled_from(HOSTS)
patterns: Mapping[str, st.SearchStrategy[str]] = {
    "module": st.sampled_from((*MODULES, "*", "ansible.*", "command", "raw")),
    "class": st.sampled_from(("commands", "packages", "files", "other")),
    "host": hosts,
    "environment": st.sampled_from(("prod", "p*", "")),
    "origin": st.sampled_from(tuple(Origin)),
}
texts = st.one_of(st.sampled_from(TEXTS), glob)
values = st.one_of(texts, st.lists(texts, max_size=3), st.booleans(), st.integers(0, 600), st.none())


@st.composite
def rules(draw: st.DrawFn) -> PolicyRule:
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    return PolicyRule(
        number=1,
        match={key: draw(patterns.get(key, texts)) for key in keys},
        reason="",
        source="",
        applies_to=draw(st.frozensets(st.sampled_from(tuple(AppliesTo)), min_size=1)),
        decision=draw(st.sampled_from(tuple(RuleDecision))),
    )


identities = st.builds(
    HostIdentity,
    name=hosts,
    address=st.sampled_from(("", "192.0.2.1")),
    names=st.lists(hosts, max_size=2).map(tuple),
    others=st.lists(st.lists(hosts, min_size=1, max_size=2).map(tuple), max_size=1).map(tuple),
    is_registered=st.booleans(),
)


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    params: dict[str, Any] = draw(st.dictionaries(st.sampled_from(PARAMS), values, max_size=3))
    effect = Effect(
        kind=draw(st.sampled_from(tuple(EffectKind))),
        origin=draw(st.sampled_from(tuple(Origin))),
        subject="x:1",
        host=draw(identities),
        module=canonical(draw(st.sampled_from(MODULES))),
        params=params,
        fence=draw(st.sampled_from(tuple(Fence))),
        environment=draw(st.sampled_from(("", "prod", "p*"))),
    )
    places = st.lists(st.sampled_from(("/etc/ssh/x", "/srv/x", "/etc/")), min_size=1, max_size=2)
    return with_paths(effect, draw(st.dictionaries(st.sampled_from(PATHS), places, max_size=2)))


@settings(max_examples=600)
@given(st.lists(rules(), max_size=8), effects())
def test_the_same_rule_is_found(given_rules: list[PolicyRule], effect: Effect) -> None:
    compare(Policy(rules=tuple(given_rules)), effect)


def compare(policy: Policy, effect: Effect) -> Sequence[PolicyRule]:
    """What is found with the index, which is what is found without it."""
    found, paths = match.deciding(policy, effect), match.paths_to_resolve([policy], effect)
    with patch.object(KeyIndex, "may_match", lambda self, compared: True):
        assert match.deciding(policy, effect) == found
        assert match.paths_to_resolve([policy], effect) == paths
    return found


@pytest.mark.parametrize(
    ("key", "pattern", "module", "params"),
    [
        ("param.mode", "0777", "file", {"path": "/x", "mode": "u=rwx,g=rwx,o=rwx"}),
        ("param.mode", "u=rwx,g=rwx,o=rwx", "file", {"path": "/x", "mode": "0777"}),
        ("param.mode", "0777", "file", {"path": "/x", "mode": 511}),
        ("param.enabled", "on", "service", {"name": "x", "enabled": True}),
        ("param.enabled", "No", "service", {"name": "x", "enabled": "off"}),
        ("param.path", "/etc/./ssh/*", "copy", {"dest": "/etc/ssh/x"}),
        ("param.path", "/etc//motd", "copy", {"dest": "/etc/motd"}),
        ("param.path", "/etc/./x", "own.x.y", {"where": "/etc/./x"}),
        ("param.path", "/etc/ssh/sshd_config", "shell", {"cmd": "ls /etc/ssh"}),
        ("param.path", "/etc/ssh/*", "shell", {"cmd": "ls /etc/s*"}),
        ("param.path", "/etc/ssh/*", "file", {"path": "/etc", "state": "absent"}),
        ("param.path", "/etc/ssh/*/x", "unarchive", {"src": "x", "dest": "/etc/ssh/y"}),
        ("param.name", "nginx", "apt", {"name": "ngin*"}),
        ("param.name", "ngin?", "apt", {"name": "ngi*"}),
        ("param.name", "nginx", "apt", {"name": ["x", "nginx=1.2"]}),
        ("param.content", "A//b", "copy", {"dest": "/x", "content": "A//b"}),
        ("host", "WEB.", "ping", {}),
        ("host", "Web*", "ping", {}),
        ("host", "PROD", "ping", {}),
        ("host", "192.0.2.*", "ping", {}),
        ("module", "shell", "cron", {"job": "id"}),
        ("module", "ansible.builtin.*", "apt", {}),
        ("class", "commands", "lineinfile", {"path": "/x", "validate": "id"}),
        ("environment", "", "ping", {}),
        ("origin", "model", "ping", {}),
    ],
)
def test_the_index_covers_each_way_to_match(key: str, pattern: str, module: str, params: dict[str, Any]) -> None:
    host = HostIdentity(name="web", address="192.0.2.1", others=(("db", "prod"),))
    effect = Effect(
        kind=EffectKind.ACTION, origin=Origin.MODEL, subject="x:1", host=host, module=module, params=params
    )
    others = [
        PolicyRule(number=n, match={key: other}, reason="", source="")
        for n, other in enumerate(("/nothing/*", "nothing"), 1)
    ]
    rule = PolicyRule(number=3, match={key: pattern}, reason="", source="")
    assert compare(Policy(rules=(*others, rule)), effect)[0] is rule
