"""Words of command lines: what is found without quotes is what the shell's rules find."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given, strategies as st

from ftl2_enterprise.gate.policy import commands, paths, shell_words


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
    assert shell_words.words(command) == by_rules_of_the_shell(command)


@given(st.text(max_size=40))
def test_words_of_any_text(command: str) -> None:
    try:
        expected = by_rules_of_the_shell(command)
    except ValueError:
        expected = command.split()
    assert shell_words.words(command) == expected


@pytest.mark.parametrize(
    "command",
    [
        "true # don't\ntouch /etc/ss''h/x",
        "true # don't\ntouch /etc/s\\sh/x # isn't",
        "true # don't\necho \\ #; touch /etc/s\\sh/x # isn't",
        "echo ' # '; true # don't\ntouch /etc/s\\sh/x #'",
        "echo \"a # b\"; touch /etc/ss''h/x",
        "touch /etc/ss''h/x '",
    ],
)
def test_a_quote_in_a_comment_hides_no_path(command: str) -> None:
    assert "/etc/ssh/x" in paths.path_words(command, "").paths


@pytest.mark.parametrize(
    "command",
    [
        "touch /etc/s\\\nsh/x",
        'touch "/etc/s\\\nsh/x"',
        "sh -c 'touch /etc/s\\\nsh/x'",
        "touch /etc/s\\\nsh/x # don't",
        "# isn't \\\ntouch /etc/s\\\nsh/x",
        "touch $'/etc/ssh/x'",
        "touch $\\\n'/etc/ssh/x'",
        'touch $"/etc/ssh/x"',
        "touch /etc/$'ssh'/x",
        r"touch $'\x2fetc\x2fssh\x2fx'",
        r"touch $'\57etc\057ssh\0572'; touch /etc/ssh/x",
        r"touch $'\57etc\057ssh/x'",
        r"touch $'\u002fetc\u2fssh\U0000002fx'",
        r"touch $'/etc/ssh/x\0y'",
        r"touch $'/etc/ssh\0y'/x",
        r"echo '$'; touch $'/etc/\x73sh/x'",
        r"echo 'a$'; touch $'/etc/\x73sh/x'; echo '",
        r"""echo "$"'x'; touch $'/etc/\x73sh/x'""",
        r"""bash -c "touch $'/etc/\x73sh/x'" """,
        r"""bash -c 'touch $"/etc/ssh/x"' """,
        r"echo \'; touch $'/etc/\x73sh/x'",
    ],
)
def test_an_escape_hides_no_path(command: str) -> None:
    assert "/etc/ssh/x" in paths.path_words(command, "").paths


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/etc/ssh/x", None),
        ("/etc/s*/x", "/etc"),
        ("/etc/ssh/$x", "/etc/ssh"),
        ("/e?c/ssh/x", "/e*"),
        ("//e?c/ssh", "/e*"),
        ("/srv/../e?c/ssh", "/e*"),
        ("/*", "/*"),
        ("/srv/x*/../../etc", "/"),
        ("/srv/x*/.?/etc", "/"),
        ("/srv/x*/{..,y}/etc", "/"),
        ("/srv/x*/.git", "/srv"),
        ("etc/s*", "etc"),
    ],
)
def test_what_is_known_of_a_path_that_a_shell_expands(path: str, known: str | None) -> None:
    assert paths.known_part(path) == known


@pytest.mark.parametrize(
    ("command", "is_complete"),
    [
        ("x " * paths.WORDS_LIMIT, True),
        ("x " * (paths.WORDS_LIMIT + 1), False),
        (" ".join(f"/{number}" for number in range(paths.PATHS_LIMIT)), True),
        (" ".join(f"/{number}" for number in range(paths.PATHS_LIMIT + 1)), False),
    ],
)
def test_whether_everything_is_compared_is_known(command: str, *, is_complete: bool) -> None:
    assert paths.path_words(command, "").is_complete is is_complete


@pytest.mark.parametrize(
    "command",
    [
        "env " + "'-a b' " * 5000,
        "sh -c 'a b' " * 5000,
        "{a,b} " * 5000,
        "-exec a " * 5000,
        "sudo " * 5000,
        "env '-a b' " + "x" * 100_000,
        "; ".join(f"echo {number} 'a b'" for number in range(5000)),
        "x" * 3_000_000 + " 'a b'",
        "1" * 30_000 + "e",
        "timeout " + "1" * 30_000 + "e",
        "timeout 0x" + "f" * 30_000 + "g",
    ],
)
@pytest.mark.timeout(60)
def test_a_long_command_does_not_stop_the_gate(command: str) -> None:
    assert commands.simple_commands(command) != []
    assert paths.path_words(command, "/srv").paths or len(command) > 131_072


@pytest.mark.parametrize("command", ["{a,b} " * 51, "{a,b}" * 51, "{a," * 51 + "b" + "}" * 51, "{a,b}" * 20])
def test_a_command_with_many_braces_is_not_compared(command: str) -> None:
    assert commands.simple_commands(f"echo {command}") is None
    assert not paths.path_words(f"echo {command}", "").is_complete


def test_braces_that_a_shell_does_not_replace_are_no_reason_to_refuse() -> None:
    for command in ("awk '{print $1, $2}' f " * 60, "echo {a} {} ${b} {1..9} a,b " * 60):
        assert commands.simple_commands(command) is not None
        assert paths.path_words(command, "").is_complete


def test_a_command_that_is_longer_than_a_program_can_receive_is_not_compared() -> None:
    command = "echo " + "x" * 131_072
    assert commands.simple_commands(command) is None
    assert not paths.path_words(command, "").is_complete
    assert commands.simple_commands(command[5:]) is not None
