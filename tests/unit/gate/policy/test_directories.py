"""Rules about paths whose pattern has a wildcard in a directory, and calls that name only the directory."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ftl2_enterprise.gate.effects import Effect, EffectKind, Origin
from ftl2_enterprise.gate.judge import GateContext, judge
from ftl2_enterprise.gate.modules import canonical
from ftl2_enterprise.gate.policy.pattern import Pattern
from ftl2_enterprise.gate.policy.types import Policy, PolicyRule
from ftl2_enterprise.gate.verdicts import Ruling


def denies(path: str, module: str, params: dict[str, Any]) -> bool:
    rule = PolicyRule(number=1, match={"param.path": path}, reason="", source="")
    effect = Effect(
        kind=EffectKind.ACTION, origin=Origin.MODEL, subject="test:1", module=canonical(module), params=params
    )
    return judge(effect, GateContext(policies=[Policy(rules=(rule,))])).ruling is Ruling.DENY


KEYS = "/home/*/.ssh/authorized_keys"


@pytest.mark.parametrize(
    ("path", "command"),
    [
        (KEYS, "cp x/authorized_keys /home/bob/.ssh"),
        (KEYS, "cp x/authorized_keys /home/bob/.ssh/"),
        (KEYS, "cp x/authorized_keys /home/staff/bob/.ssh"),
        (KEYS, "tar -C /home/bob/.ssh -xf x"),
        (KEYS, "cd /home/bob/.ssh && tar xf x"),
        (KEYS, "cp -r .ssh /home/bob"),
        (KEYS, "cp x /home/bob/.s*"),
        (KEYS, "cp x /h*/bob/.ssh"),
        (KEYS, "cp x /home/*/.ssh"),
        ("/home/*/.ssh/*", "cp x /home/bob/.ssh"),
        ("/etc/*/sshd_config", "cp x/sshd_config /etc/ssh"),
        ("/etc/ss?/sshd_config", "cp x/sshd_config /etc/ssh"),
        ("/etc/ss[gh]/*", "cp x/sshd_config /etc/ssh"),
        ("/etc/*/*", "cp x/sshd_config /etc/ssh"),
        ("*/.ssh/*", "cp x /home/bob/.ssh"),
        ("*/.ssh/*", "tar -C / -xf x"),
        ("/*/.ssh/authorized_keys", "cp x /home/bob/.ssh"),
        ("/*/.ssh/authorized_keys", "cp x /r*t/.ssh"),
        ("/*/.ssh/authorized_keys", "tar -C /root -xf x"),
    ],
)
def test_a_directory_in_a_command_matches_a_pattern_with_a_wildcard(path: str, command: str) -> None:
    assert denies(path, "shell", {"cmd": command})


@pytest.mark.parametrize(
    ("path", "command"),
    [
        (KEYS, "cat /home/bob/notes.txt"),
        (KEYS, "cp x /home/bob/.sshx"),
        (KEYS, "cp x /srv/bob/.ssh"),
        ("/etc/*", "ls /etcetera"),
        ("/etc/*/sshd_config", "ls /srv /usr/bin"),
        ("/srv/*.conf", "ls /srv/app"),
        ("/etc/ss?/sshd_config", "ls /etc/ssl1 /etc/ss"),
        ("*.key", "ls /tmp . / ~ $x"),
        ("*/.ssh/*", "ls /tmp . /home/bob ~ $x"),
        ("*/sshd_config", "ls /etc/x . ~"),
        ("/*/.ssh/x", "ls /srv/app /srv/app/x*"),
        (KEYS, "ls /home/bob/notes/x*"),
    ],
)
def test_another_directory_in_a_command_does_not_match(path: str, command: str) -> None:
    assert not denies(path, "shell", {"cmd": command})


@pytest.mark.parametrize("path", [KEYS, "/home/*/.ssh/*", "*/.ssh/*", "/*/.ssh/authorized_keys", "*/authorized_keys"])
@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("synchronize", {"src": "x", "dest": "/home/bob/.ssh"}),
        ("unarchive", {"src": "x", "dest": "/home/bob/.ssh/"}),
        ("git", {"repo": "x", "dest": "/home/bob"}),
        ("file", {"path": "/home/bob/.ssh", "state": "absent"}),
    ],
)
def test_a_tree_matches_a_pattern_of_which_something_may_be_below(
    path: str, module: str, params: dict[str, Any]
) -> None:
    assert denies(path, module, params)


@pytest.mark.parametrize("path", ["/srv/*/x", "/home/b?/x", "/home/b[a-n]b/*", "/home/bob", "srv/*", "/home/bob?"])
def test_a_tree_does_not_match_a_pattern_of_which_nothing_can_be_below(path: str) -> None:
    assert not denies(path, "file", {"path": "/home/bob/.ssh", "state": "absent"})


texts = st.text(st.sampled_from("ab/*?"), max_size=6)
paths = st.text(st.sampled_from("ab/"), min_size=1, max_size=6)


@settings(max_examples=500)
@given(texts, paths, paths)
def test_what_matches_below_a_tree_is_always_found(text: str, tree: str, inside: str) -> None:
    pattern = Pattern(text)
    if re.match(translate(text), f"{tree.rstrip('/')}/{inside}"):
        assert pattern.may_be_below(tree)
