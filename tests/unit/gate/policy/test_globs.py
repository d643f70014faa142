"""Words of commands that a shell may replace by paths, compared with patterns that begin with a wildcard."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings, strategies as st

from ftl2_enterprise.gate.policy.globs import may_share
from ftl2_enterprise.gate.verdicts import Ruling
from tests.unit.gate.policy.test_decisions import judge, policy


@pytest.mark.parametrize(
    ("pattern", "command", "denied"),
    [
        ("*/shadow", "cat /etc/shad?w", True),
        ("*/shadow", "cat /etc/sh*", True),
        ("*/shadow", "cat /etc/[rs]hadow", True),
        ("*shadow", "cat /e*/s*", True),
        ("*/.ssh/*", "cp x /home/bob/.ss?", True),
        ("*/.ssh/*", "cp x /home/bob/.ss?/authorized_keys", True),
        ("*/.ssh/authorized_keys", "cp k ~bob/.s*/authorized_keys", True),
        ("*/shadow", "cat /srv/$APP/shado?", True),
        ("*/[s/]hadow", "cat /etc/shado?", True),
        ("*/shadow", "cat /etc/shado[[:alpha:]]", True),
        ("*/shadow", r"cat /etc/shado[w\]]", True),
        ("*/shadow", "cat /etc/shado$A", True),
        ("*/shadow", "cat /etc/`echo shadow`", True),
        ("*/authorized_keys", "cat $HOME/.ssh/authorized_key?", True),
        ("*/shadow", "cat $FILE", False),
        ("*/shadow", "cat $DIR/$FILE", False),
        ("/etc/*", "cat $DIR/sha?ow", False),
        ("*/shadow", "cat /etc/sha?", False),
        ("*/shadow", "cat /srv/*/config", False),
        ("*/shadow", "cat /srv/$APP/conf*", False),
        ("*/shadow", "grep -r 'a.*b /x' /srv/x", False),
        ("*/shadow", "sed -i s/x.*/y/ /srv/x", False),
        ("*/.ssh/*", "rm /tmp/*.log", False),
    ],
)
def test_a_wildcard_of_a_shell_is_compared_with_one_of_a_rule(pattern: str, command: str, denied: bool) -> None:
    found = judge([policy(("deny", {"param.path": pattern}))], "shell", cmd=command)
    assert found.ruling is (Ruling.DENY if denied else Ruling.ALLOW)


texts = st.text("ab/", max_size=5)
wild = st.lists(st.sampled_from(("a", "b", "/", "*", "?", "[ab]")), max_size=6).map("".join)


@settings(max_examples=1000)
@given(wild, wild, texts)
def test_what_matches_both_is_found(pattern: str, word: str, path: str) -> None:
    parts, given_parts = word.split("/"), path.split("/")
    in_word = len(parts) == len(given_parts) and all(map(fnmatchcase, given_parts, parts))
    if in_word and fnmatchcase(path, pattern):
        assert may_share(pattern, word)


@settings(max_examples=1000)
@given(st.text("ab/*?", max_size=6), st.text("ab/", max_size=6))
def test_a_word_without_wildcards_is_compared_as_it_is(pattern: str, word: str) -> None:
    assert may_share(pattern, word) == fnmatchcase(word, pattern)


def test_too_many_are_denied_by_every_rule_about_paths() -> None:
    command = "cat " + " ".join(f"/x{n}" + "*a" * 100 for n in range(20))
    assert judge([policy(("deny", {"param.path": "/z/*"}))], "shell", cmd=command).ruling is Ruling.DENY


@pytest.mark.parametrize(
    "command",
    [r"env -S 'rm\_-rf\_/x'", r"env --split-string 'rm\t/x'", r"env -iS'rm\_/x'", r"/usr/bin/env --split='rm\f/x'"],
)
def test_a_blank_of_env_separates_words(command: str) -> None:
    assert judge([policy(("deny", {"param.cmd": "rm *"}))], "shell", cmd=command).ruling is Ruling.DENY
    assert judge([policy(("deny", {"param.path": "/x"}))], "shell", cmd=command).ruling is Ruling.DENY


@pytest.mark.parametrize(
    ("match", "command"),
    [
        ({"param.cmd": "rm *"}, "r{,x}'m' /y"),
        ({"param.cmd": "rm *"}, 'sudo {r,x}"m" /y'),
        ({"param.cmd": "rm *"}, "bash -c \"r{,x}'m' /y\""),
        ({"param.cmd": "rm *"}, "r{m..m} /y"),
        ({"param.cmd": "rm *"}, "r{,x}$'m' /y"),
        ({"param.path": "/etc/*"}, "cat {/e,/x}'tc/shadow'"),
        ({"param.path": "/etc/*"}, "cat /srv/{.,x}'./etc/shadow'"),
        ({"param.path": "/etc/*"}, "cat /{d..f}tc/shadow"),
    ],
)
def test_braces_next_to_quotes_and_sequences_are_read_as_by_bash(match: dict[str, str], command: str) -> None:
    assert judge([policy(("deny", match))], "shell", cmd=command).ruling is Ruling.DENY
