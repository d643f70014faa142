"""Which commands are executed without a shell: those that mean the same with one."""

from __future__ import annotations

import pytest

from ftl2_enterprise.adapters.hosts.remote.perform import shell_free

PATH = {"PATH": "/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hostname", ["hostname"]),
        ("df -h /", ["df", "-h", "/"]),
        ("/usr/bin/stat  --format=%a /etc/passwd ", ["/usr/bin/stat", "--format=%a", "/etc/passwd"]),
        ("systemctl is-active getty@tty1.service", ["systemctl", "is-active", "getty@tty1.service"]),
    ],
)
def test_a_program_with_plain_words_needs_no_shell(text: str, words: list[str]) -> None:
    assert shell_free(["/bin/sh", "-c", text], PATH) == words


@pytest.mark.parametrize(
    "text",
    [
        "", " ", " hostname", "echo a", "cd /", "test -f /x", "[ -f /x ]", "A=1 env", "a | b", "a;b", "a &",
        "a&&b", "ls *", "ls ?", "ls ~", "echo $HOME", "a `b`", "a 'b'", 'a "b"', "a \\b", "a > b",
        "a < b", "a (b)", "a {b,c}", "! a", "a # b", "a\nb", "a\tb", "ls [ab]", "ls ^a", "umask 022",
        "exit 3", "true", "kill 1", "time ls", "ulimit -n", "ls \u00e4", "a\rb",
    ],
)  # fmt: skip
def test_whatever_a_shell_may_treat_differently_is_left_to_it(text: str) -> None:
    assert shell_free(["/bin/sh", "-c", text], PATH) is None


@pytest.mark.parametrize("argv", [["/bin/bash", "-c", "ls"], ["ls"], ["/bin/sh", "-c"], ["/bin/sh", "-e", "ls"]])
def test_other_interpreters_and_lists_are_left_as_they_are(argv: list[str]) -> None:
    assert shell_free(argv, PATH) is None


def test_without_a_search_path_the_shell_has_its_own() -> None:
    assert shell_free(["/bin/sh", "-c", "ls"], {}) is None
