"""Rules about paths and command lines in words of other command lines, as of `sh -c '...'`."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from ftl2_enterprise.gate.effects import Effect, EffectKind, Origin
from ftl2_enterprise.gate.judge import GateContext, judge
from ftl2_enterprise.gate.modules import canonical
from ftl2_enterprise.gate.policy import paths
from ftl2_enterprise.gate.policy.types import Policy, PolicyRule, RuleDecision
from ftl2_enterprise.gate.verdicts import Ruling

STRICTNESS = [Ruling.ALLOW, Ruling.ASK, Ruling.DENY]


def ruling(decision: str, path: str, module: str, **params: Any) -> Ruling:
    """The ruling of a policy with that rule, and, if it allows, one after it that denies everything."""
    rule = PolicyRule(number=1, match={"param.path": path}, reason="", source="", decision=RuleDecision(decision))
    other = PolicyRule(number=2, match={"module": "*"}, reason="", source="")
    effect = Effect(
        kind=EffectKind.ACTION, origin=Origin.MODEL, subject="test:1", module=canonical(module), params=params
    )
    rules = (rule, other) if decision == "allow" else (rule,)
    return judge(effect, GateContext(policies=[Policy(rules=rules)])).ruling


@pytest.mark.parametrize(
    "command",
    [
        "sh -c 'rm /etc/shadow'",
        "sh -c 'rm /etc/shadow;'",
        "sh -c 'rm /etc/shadow;ls'",
        "sh -c 'rm /etc/shadow&'",
        "sh -c 'cat x>/etc/shadow&ls'",
        "sh -c 'cat /etc/shadow|ls'",
        "sh -c 'true;rm /etc/shadow'",
        "sh -c 'rm /etc/shadow\nls'",
        "sh -c 'echo `rm /etc/shadow;`'",
        "sh -c 'echo $(rm /etc/shadow)'",
        "sh -c 'rm${IFS}/etc/shadow;ls'",
        "eval 'rm /etc/shadow;'",
        "su -c'rm /etc/shadow;'",
        "su -c'cd /etc;rm shadow;'",
        "su --command='cd /etc;rm shadow;'",
        "bash <<< 'rm /etc/shadow;'",
        "env -S 'sh -c \"rm /etc/shadow;\"'",
        "timeout 5 sh -c 'rm /etc/shadow;'",
        "sh -c 'cd /etc; rm shadow'",
        "cd /etc; sh -c 'rm shadow;'",
        "sh -c 'cd /etc/; sh -c \"rm shadow; ls\"'",
        "sh -c 'rm -rf /;ls'",
        "sh -c 'rm -rf /etc;true'",
        "rm -rf ';' /",
        "sh -c 'rm -rf \";\" /'",
        "sh -c 'a=(/); rm -rf $a'",
        "sh -c 'rm /etc/sh\"ado\"w'",
        "sh -c 'rm /etc/sha\\dow'",
        "sh -c 'rm /etc/sha\\dow;'",
        "eval \"rm /etc/sh''adow\"",
        "eval rm\\ /etc/sh\"''\"adow",
        'sh -c "sh -c \'rm /etc/sh\\"ado\\"w;\'"',
        'sh -c "sh -c \\"sh -c \'rm /etc/sh\\\\\\\\adow;\'\\""',
        "sh -c \"rm /etc/sha$'\\x64'ow;\"",
        "env -S'rm /etc/sh\"ado\"w'",
        "sh -c 'cp x /etc/{shadow,x};'",
    ],
)
def test_a_separator_or_quotes_inside_of_quotes_hide_no_path(command: str) -> None:
    assert ruling("deny", "/etc/shadow", "shell", cmd=command) is Ruling.DENY
    assert ruling("ask", "/etc/shadow", "command", argv=shlex.split(command)) is Ruling.ASK
    assert ruling("deny", "/etc/shadow", "shell", cmd="sh", stdin=command) is Ruling.DENY


@pytest.mark.parametrize(
    ("module", "params"),
    [
        ("cron", {"name": "x", "job": "sh -c 'rm /etc/shadow;ls'"}),
        ("copy", {"dest": "/srv/x", "content": "x", "validate": "sh -c 'rm /etc/shadow; true %s'"}),
        ("expect", {"command": "sh -c 'rm /etc/shadow;ls'", "responses": {}}),
    ],
)
def test_a_separator_hides_no_path_in_any_module_that_executes(module: str, params: dict[str, Any]) -> None:
    assert ruling("deny", "/etc/shadow", module, **params) is Ruling.DENY


@pytest.mark.parametrize(
    "command",
    [
        "grep -E '(^|/)nginx' /srv/x",
        "sed 's|x|/|g' /srv/x",
        "sed -E 's/(a|b);/c/' /srv/x",
        "find /srv | grep -vE '^(/|$)'",
        "sh -c 'ls /srv;ls /opt|wc -l'",
        "awk -F';' '{ if ($1 && $2) print $1 }' /srv/x",
        "python3 -c 'print(1); print(\"a;b\")'",
    ],
)
def test_a_separator_inside_of_quotes_names_no_path(command: str) -> None:
    assert ruling("deny", "/etc/shadow", "shell", cmd=command) is Ruling.ALLOW


def has_matching_quotes(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return False
    return True


def calls_root(command: str) -> bool:
    """Whether `/` is where a shell expects a program, which it cannot be."""
    return re.search(r"(^|[;&|(\n])\s*/+([\s;&|>]|\Z)", command) is not None


WORDS = ("rm", "cp", "cd", "-C", "-o/etc/x", "x", "shadow", "a=/etc/ssh", "'", '"', "\\", "$x", "#", "*", "~",
         "{a,b}", "..")  # fmt: skip
PATHS = ("/etc/shadow", "/etc/ssh/x", "/srv/x", "/srv", "/etc", "/", "ssh/x", "/etc/s*", "'/srv/a b'", "/srv/a\\ b")
SIGNS = (" ", " ", " ", ";", "&&", "|", ">", "\n", "")
commands = (
    st.lists(
        st.builds("{}{}".format, st.sampled_from((*WORDS, *PATHS, *PATHS)), st.sampled_from(SIGNS)),
        min_size=1,
        max_size=7,
    )
    .map("".join)
    .filter(lambda command: has_matching_quotes(command) and not calls_root(command))
)
wrappers = st.sampled_from((
    lambda command: f"sh -c {shlex.quote(f'{command};:')}",
    lambda command: f"sh -c {shlex.quote(f'true; {command}')}",
    lambda command: f"eval {shlex.quote(command)}",
    lambda command: f"su -c{shlex.quote(f'{command}&ls')} bob",
    lambda command: f"bash <<< {shlex.quote(f'true|{command}|cat')}",
    lambda command: "eval \"" + command.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + "\"",
))  # fmt: skip
patterns = st.sampled_from(
    ("/etc/shadow", "/etc/ssh/*", "/srv/*", "/srv/x", "/*/x", "*/ssh/*", "*shadow", "/srv/a b")
)


@given(commands, wrappers, wrappers, patterns, st.sampled_from(("deny", "ask", "allow")))
def test_a_command_in_another_one_is_judged_at_least_as_strictly(
    command: str, wrapper: Any, outer: Any, path: str, decision: str
) -> None:
    # No program has this name; next to `-c` it would be another option.
    assume(not command.startswith("-C"))
    plain = ruling(decision, path, "shell", cmd=command)
    for wrapped in (wrapper(command), outer(wrapper(command))):
        assert STRICTNESS.index(ruling(decision, path, "shell", cmd=wrapped)) >= STRICTNESS.index(plain), wrapped


@given(st.text(st.sampled_from("ab/~'\"\\;&|()<>`$ \n#{},"), max_size=40).filter(has_matching_quotes), wrappers)
def test_each_path_of_any_command_is_one_of_a_command_that_executes_it(command: str, wrapper: Any) -> None:
    plain, wrapped = (set(map(paths.normal, paths.path_words(one, "").paths)) for one in (command, wrapper(command)))
    # `/` where a shell expects a program is none.
    assert {path for path in plain - wrapped if path.startswith("/")} <= {"/"}


@pytest.mark.parametrize(
    "command",
    [
        "sh -c '" + "cd a b;" * 15_000 + "'",
        "sh -c '" + "cd /a b;" * 15_000 + "'",
        "sh -c '" + '"a b" ' * 15_000 + "'",
        "sh -c '" + "{a,b};" * 40 + "x " * 50_000 + "'",
        "'a;b'" * 15_000,
        "'a;b' " * 15_000,
        "\\\\" * 60_000 + ";",
        "'" + "\\ " * 60_000 + "'",
    ],
)
@pytest.mark.timeout(20)
def test_a_long_command_in_another_one_does_not_stop_the_gate(command: str) -> None:
    paths.path_words(command, "/srv")


def test_a_long_text_in_quotes_is_compared() -> None:
    text = "some words of a file with = and /srv/x\n" * 2000
    assert paths.path_words(f"echo '{text}' > /srv/y", "").is_complete


@pytest.mark.parametrize(
    ("argv", "denied"),
    [
        (["ls", "x;", "rm", "y"], False),
        (["ls", "x;rm", "y"], False),
        (["ls", "&&", "rm", "y"], False),
        (["git", "commit", "-m", "rm y"], False),
        (["echo", "{a,b}", "rm y"], False),
        (["rm", "y"], True),
        (["/bin/rm", "y"], True),
        (["sudo", "rm", "y"], True),
        (["sh", "-c", "ls; rm y"], True),
        (["sh", "-c", "ls x;", "rm", "y"], True),
        (["watch", "ls;", "rm", "y"], True),
        (["/usr/bin/env", "-S", "rm", "y"], True),
        (["find", ".", "-exec", "rm", "{}", ";"], True),
        (["su", "-c", "rm y"], True),
        (["ssh", "h", "ls;", "rm", "y"], True),
        (["custom", "--run", "ls; rm y"], True),
        (["custom", "--run", "$(rm y)"], True),
        (["custom", "--run", "ls\nrm y"], True),
    ],
)
def test_words_of_a_list_are_no_command_line_unless_a_program_makes_one_of_them(
    argv: list[str], denied: bool
) -> None:
    rule = PolicyRule(number=1, match={"param.cmd": "rm *"}, reason="", source="")
    for module in ("command", "shell"):
        effect = Effect(
            kind=EffectKind.ACTION, origin=Origin.MODEL, subject="test:1", module=module, params={"argv": argv}
        )
        found = judge(effect, GateContext(policies=[Policy(rules=(rule,))]))
        assert found.ruling is (Ruling.DENY if denied else Ruling.ALLOW)
