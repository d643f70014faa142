"""Words of command lines: what is found without quotes is what the shell's rules find."""

from __future__ import annotations

import shlex

from hypothesis import example, given, strategies as st

from ftl2_enterprise.gate.policy import paths


def by_rules_of_the_shell(command: str) -> list[str]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    return list(lexer)


@given(st.text(st.sampled_from("ab/~-*?#$%=:,.{}!@ \t\n\r\v\f\u00a0é();<>|&"), max_size=40))
@example("a&&b;c|d>/x 2>&1")
@example("#not a comment")
@example("é b")
def test_words_without_quotes(command: str) -> None:
    assert paths.words(command) == by_rules_of_the_shell(command)


@given(st.text(max_size=40))
def test_words_of_any_text(command: str) -> None:
    try:
        expected = by_rules_of_the_shell(command)
    except ValueError:
        expected = command.split()
    assert paths.words(command) == expected
