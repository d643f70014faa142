"""Patterns of bash with `extglob`, sets with a slash, and what may be `..`, in words of commands."""

from __future__ import annotations

import time

import pytest

from ftl2_enterprise.gate.policy import quoting
from ftl2_enterprise.gate.verdicts import Ruling
from tests.unit.gate.policy.test_decisions import judge, policy


@pytest.mark.parametrize("path", ["/etc/shadow", "*/shadow", "/etc/*"])
@pytest.mark.parametrize(
    "command",
    [
        "cat /etc/@(shadow)",
        "cat /etc/@(shadow|passwd)",
        "cat /etc/@( shadow | x)",
        "cat /etc/!(x)",
        "cat /etc/+(s)hadow",
        "cat /etc/sha*(d)ow",
        "cat /etc/?(x)shadow",
        "cat /@(etc|x)/shadow",
        "cat /etc/@(shad@(o)w)",
        "cat /etc/@(shad@(')'|o)w)",
        'cat /etc/@("shadow"|x)',
        "cat /etc/@($(echo shadow))",
        "cat /etc/{x,@(shadow)}",
        "cat /srv/@(..)/etc/shadow",
        "cat /srv/@(.|x)./etc/shadow",
        "cd /etc; cat sh@(adow)",
        "bash -O extglob -c 'cat /etc/+(s)hadow'",
        "bash -O extglob -c 'cat /etc/@(\"shadow\"|x)'",
        "cat /etc/sh[/a]dow",
        "cat /etc/s[h/]adow",
        "cat /etc/s[!/]adow",
        "find / -path '*[!a]shadow'",
        "find / -path '*[/]shadow'",
        "cat /srv/.?/etc/shadow",
        "cat /srv/.*/etc/shadow",
    ],
)
def test_a_pattern_of_a_shell_may_be_any_name(path: str, command: str) -> None:
    for decision, ruling in (("deny", Ruling.DENY), ("ask", Ruling.ASK)):
        assert judge([policy((decision, {"param.path": path}))], "shell", cmd=command).ruling is ruling


@pytest.mark.parametrize(
    "command",
    [
        "cat /srv/@(a|b)/x",
        "rm -r /srv/!(keep)/x",
        "echo $((2*(3+(4*(1)))))",
        "grep 'main*(' /srv/x",
        "if !(grep -q x /srv/y); then touch /srv/y; fi",
        "sed 's/[^/]*x/y/' /srv/x",
        "awk -F'[/]' '{print $2}' /srv/x",
        "awk '!(a in b)' /srv/x",
    ],
)
def test_what_cannot_mean_the_path_is_allowed(command: str) -> None:
    for path in ("/etc/shadow", "*/shadow"):
        assert judge([policy(("deny", {"param.path": path}))], "shell", cmd=command).ruling is Ruling.ALLOW


@pytest.mark.parametrize("part", ["@(", '@("', "@(a'", '@(@(")', "!(\\", "*(a)b)", "@($(x)"])
def test_a_long_line_of_such_signs_is_read_fast(part: str) -> None:
    began = time.monotonic()
    quoting.are_known((part * 70_000)[: 128 * 1024])
    assert time.monotonic() - began < 5


def test_patterns_that_are_nested_too_deep_match_every_rule_about_paths() -> None:
    command = f"cat /srv/{'@((' * 200}a{'))' * 200}"
    assert judge([policy(("deny", {"param.path": "/z/*"}))], "shell", cmd=command).ruling is Ruling.DENY
