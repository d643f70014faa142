"""Which commands are executed without a shell: those that mean the same with one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.hosts.remote.perform import shell_free

if TYPE_CHECKING:
    from pathlib import Path

PATH = {"PATH": "/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hostname", ["hostname"]),
        ("df -h /", ["df", "-h", "/"]),
        ("/usr/bin/stat  --format=%a /etc/passwd ", ["/usr/bin/stat", "--format=%a", "/etc/passwd"]),
        ("env getty@tty1.service a,b-c+d:e%f", ["env", "getty@tty1.service", "a,b-c+d:e%f"]),
    ],
)
def test_a_program_with_plain_words_needs_no_shell(text: str, words: list[str]) -> None:
    found = shell_free(["/bin/sh", "-c", text], PATH)
    assert found is not None
    assert found.words == words
    assert found.file.endswith(f"/{words[0].rpartition('/')[2]}")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", " hostname", "echo a", "cd /", "test -f /x", "[ -f /x ]", "A=1 env", "a | b", "a;b", "a &",
        "a&&b", "ls *", "ls ?", "ls ~", "echo $HOME", "a `b`", "a 'b'", 'a "b"', "a \\b", "a > b",
        "a < b", "a (b)", "a {b,c}", "! a", "a # b", "a\nb", "a\tb", "ls [ab]", "ls ^a", "umask 022",
        "exit 3", "true", "kill 1", "time ls", "ulimit -n", "ls \u00e4", "a\rb",
    ],
)  # fmt: skip
def test_commands_with_shell_syntax_are_left_to_the_shell(text: str) -> None:
    assert shell_free(["/bin/sh", "-c", text], PATH) is None


@pytest.mark.parametrize("argv", [["/bin/bash", "-c", "ls"], ["ls"], ["/bin/sh", "-c"], ["/bin/sh", "-e", "ls"]])
def test_other_interpreters_and_lists_are_left_as_they_are(argv: list[str]) -> None:
    assert shell_free(argv, PATH) is None


def test_without_a_search_path_the_shell_has_its_own() -> None:
    assert shell_free(["/bin/sh", "-c", "ls"], {}) is None


def test_an_exported_function_of_bash_is_left_to_the_shell() -> None:
    assert shell_free(["/bin/sh", "-c", "ls"], {**PATH, "BASH_FUNC_ls%%": "() { echo mine; }"}) is None


@pytest.mark.parametrize("name", ["A.B", "x-y", "1X", "IFS", "OPTIND", "PPID"])
def test_variables_that_a_shell_changes_are_left_to_the_shell(name: str) -> None:
    assert shell_free(["/bin/sh", "-c", "ls"], {**PATH, name: "value"}) is None


@pytest.mark.parametrize("path", [":/usr/bin:/bin", ".:/usr/bin:/bin"])
def test_a_search_in_the_working_directory_is_left_to_the_shell(path: str) -> None:
    assert shell_free(["/bin/sh", "-c", "ls"], {"PATH": path}) is None


def test_the_first_program_on_the_path_is_used(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "program").write_text("echo without an interpreter line")
        (tmp_path / name / "program").chmod(0o755)
    path = f"{tmp_path}/none:{tmp_path}/first:{tmp_path}/second"
    found = shell_free(["/bin/sh", "-c", "program"], {"PATH": path})
    assert found is not None
    assert found.file == f"{tmp_path}/first/program"
    assert shell_free(["/bin/sh", "-c", "missing"], {"PATH": path}) is None


@pytest.mark.parametrize("given", [None, "/no/such/directory", "relative", "/"])
def test_the_variable_of_the_working_directory_is_right(given: str | None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = PATH | ({} if given is None else {"PWD": given})
    found = shell_free(["/bin/sh", "-c", "env"], environment)
    assert found is not None
    assert found.environment is not None
    assert found.environment["PWD"] == str(tmp_path.resolve())


def test_a_name_of_the_working_directory_through_a_link_is_kept(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = shell_free(["/bin/sh", "-c", "env"], {**PATH, "PWD": f"{tmp_path}/link"})
    assert found is not None
    assert found.environment is not None
    assert found.environment["PWD"] == f"{tmp_path}/link"
