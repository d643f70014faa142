"""Words of command lines: what is found without quotes is what the shell's rules find."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import assume, example, given, strategies as st

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
        "touch x",
        "(touch x)",
        "{ touch x; }",
        "A=1 B='c d' touch x",
        "sudo touch x",
        "sudo -u bob -E touch x",
        "/usr/bin/env -i A=1 touch x",
        "timeout -k 5 10s touch x",
        "A=1 " * 1000 + "touch x",
        "make &>/dev/null && touch x",
        "! touch x",
        "if true; then touch x; fi",
        "while ! /bin/touch x; do :; done",
        "case x in x) touch x;; esac",
        ">/dev/null touch x",
        "> /dev/null touch x",
        "2>/dev/null touch x",
        "2>&1 touch x",
        "echo $(touch x)",
        'echo "`touch x`"',
        "`touch x`",
        "exec touch x",
        "cat <(touch x)",
        "timeout 0.5 touch x",
        "timeout .5s touch x",
        "timeout -k 1.5 +2.m touch x",
        "timeout 1e3 touch x",
        "timeout 0x1p2 touch x",
        "timeout 0,5 touch x",
        "timeout --signal KILL infinity touch x",
        "nice -n -5 touch x",
        "nice -n +5 touch x",
        "nice -5 touch x",
        "nice --adjustment=5 touch x",
        "ionice -c 2 -n 7 -t touch x",
        "ionice -c best-effort touch x",
        "stdbuf -o L -e0 touch x",
        "chrt -f 10 touch x",
        "chrt --batch 0 touch x",
        "taskset 0x3 touch x",
        "taskset ff touch x",
        "taskset -c 0,2-3 touch x",
        "setpriv --reuid 0 --clear-groups -- touch x",
        "flock /run/lock touch x",
        "flock -w 0.5 /run/lock touch x",
        "flock -n /run/lock -c 'touch x'",
        "xargs -n 1 -P 4 touch x",
        "xargs -0 -I {} touch x",
        "nsenter -t 1 -m -- touch x",
        "nsenter --target 1 --mount touch x",
        "chroot / touch x",
        "chroot --userspec=bob:bob / touch x",
        "runuser -u bob -- touch x",
        "runuser bob -c 'touch x'",
        "su - bob -c 'touch x'",
        "doas -u bob touch x",
        "setarch x86_64 -R touch x",
        "systemd-run --wait -p Nice=5 touch x",
        "sh -c 'touch x'",
        "sudo bash -ec 'true; touch x'",
        "sh -c '/bin/touch x'",
        "sh -c \"sh -c 'sudo /bin/touch x'\"",
        "su bob -c'touch x'",
        "su --command='/bin/touch x' bob",
        "env -S'touch x'",
        "env --split-string=touch' x'",
        "env -Stouch' ' x",
        "env '-S touch x'",
        "script -qc'touch x' /dev/null; env -S'-i touch x'",
        "find / -name y -exec touch x ';'",
        "find / -execdir /bin/touch x \\;",
        "find / -ok sudo touch x \\;",
        "{touch,x}",
        "A=1 {/bin/touch,x}; true",
        "bash -c '{touch,x}'",
        "{touch,x}>/dev/null",
        "tou{ch,} x",
        "{to,}{uch,} x",
        "{touch,x,{-r,-f}}",
        "{'touch','x'}",
        "to''{uch,} x",
        "sh -c 'A=1 touch x'",
        "eval 'A=1 touch x'",
        "script -c 'A=1 touch x' /dev/null",
        "script /dev/null -c 'touch x'",
        "env -S'A=1 touch x'",
        "A='a;b' touch x",
        "A=a\\;b touch x",
        ">'a;b' touch x",
        "env -u 'a;b' touch x",
        "sh -c 'A=\"a;b\" touch x'",
        "sh +e -c 'touch x'",
        "bash +O extglob -c 'touch x'",
        ">|/dev/null touch x",
        "{fd}>/dev/null touch x",
        "env A-B=1 touch x",
        "env 'A B=1' touch x",
        "timeout ' 5' touch x",
        "function f { touch x; }; f",
        "coproc N { touch x; }",
        "A[1]=1 touch x",
        "rbash -c 'touch x'",
        "choom -n 5 -- touch x",
        f"timeout {'1' * 100} touch x",
        "sh -c 'touch x; true'",
        "to\\\nuch x",
        "echo a # b \\\nto\\\nuch x",
        "echo \\\\\nto\\\nuch x",
        "$'touch' x",
        r"$'\x74ouch' x",
        '$"touch" x',
    ],
)
def test_a_command_is_found_after_what_precedes_it(command: str) -> None:
    assert any(f"{one} ".startswith("touch x ") for one in paths.simple_commands(command) or ())


@pytest.mark.parametrize(
    "command",
    [
        "echo touch x",
        "sudo rm touch x",
        "apt install touch x",
        "echo -n touch x",
        "timeout 5 echo touch x",
        "sh -c 'echo touch x'",
        "echo {touch,x}",
        "grep -e'touch x' y",
        "echo 'touch x'",
    ],
)
def test_arguments_are_no_commands(command: str) -> None:
    assert "touch x" not in (paths.simple_commands(command) or ())


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
    assert paths.simple_commands(command) != []
    assert paths.path_words(command, "/srv").paths or len(command) > 131_072


@pytest.mark.parametrize("command", ["{a,b} " * 51, "{a,b}" * 51, "{a," * 51 + "b" + "}" * 51, "{a,b}" * 20])
def test_a_command_with_many_braces_is_not_compared(command: str) -> None:
    assert paths.simple_commands(f"echo {command}") is None
    assert not paths.path_words(f"echo {command}", "").is_complete


def test_braces_that_a_shell_does_not_replace_are_no_reason_to_refuse() -> None:
    for command in ("awk '{print $1, $2}' f " * 60, "echo {a} {} ${b} {1..9} a,b " * 60):
        assert paths.simple_commands(command) is not None
        assert paths.path_words(command, "").is_complete


def test_a_command_that_is_longer_than_a_program_can_receive_is_not_compared() -> None:
    command = "echo " + "x" * 131_072
    assert paths.simple_commands(command) is None
    assert not paths.path_words(command, "").is_complete
    assert paths.simple_commands(command[5:]) is not None


@given(st.text(st.sampled_from("ab1=-<>&|;(){}`$!'\"# \n"), max_size=60))
def test_each_command_of_any_text_is_found(command: str) -> None:
    found = paths.simple_commands(command)
    assume(found is not None)
    assert found is not None
    simple = [one for one in command.splitlines() if not set(one) & set(";|&")]
    assert all(" ".join(paths.words(one)) in found for one in simple if paths.words(one))
