"""`ftl2-enterprise policy`: verdicts without a service, from real files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.store.freeze_files import FreezeFiles
from tests.support.processes.command import Command

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """
rules:
  - decision: deny
    match: {module: shell, host: prod}
    reason: not on prod
"""
INVENTORY = """
prod:
  hosts:
    a: {ansible_host: 192.0.2.1}
    b: {}
"""
TESTS = """
tests:
  - {module: command, host: a, expect: deny, rule: 1}
  - {name: files, module: file, host: b, params: {path: /etc}, expect: allow}
"""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    for name, text in (("policy.yaml", POLICY), ("hosts.yaml", INVENTORY), ("tests.yaml", TESTS)):
        (tmp_path / name).write_text(text)
    return Command(tmp_path)


def where(tmp_path: Path) -> list[str]:
    return ["--policy", str(tmp_path / "policy.yaml"), "-i", str(tmp_path / "hosts.yaml")]


def test_a_denied_call_has_the_status_of_a_denied_run(command: Command, tmp_path: Path) -> None:
    done = command.run(
        "policy", "check", "ansible.builtin.shell", "--host", "prod", "-p", "cmd=id", "--origin", "person",
        *where(tmp_path),
    )  # fmt: skip
    assert done.returncode == 4
    assert done.stdout.splitlines() == [
        "deny    a: denied by policy rule 1 (policy.yaml line 3): not on prod",
        "deny    b: denied by policy rule 1 (policy.yaml line 3): not on prod",
    ]


def test_a_test_that_cannot_be_answered_is_named(command: Command, tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text(f"{TESTS}  - {{module: file, host: nosuch, expect: deny}}\n")
    done = command.run("policy", "test", str(tmp_path / "tests.yaml"), *where(tmp_path))
    assert done.returncode == 2
    assert f"cannot use test 3 of {tmp_path / 'tests.yaml'}: cannot find nosuch: " in done.stderr


def test_a_module_that_does_not_exist_would_fail(command: Command, tmp_path: Path) -> None:
    done = command.run("policy", "check", "nosuch", "--json", "--origin", "person", *where(tmp_path))
    answer = json.loads(done.stdout)[0]
    assert answer["problem"] == "cannot find the module nosuch"


def test_the_tests_of_a_site(command: Command, tmp_path: Path) -> None:
    done = command.run("policy", "test", str(tmp_path / "tests.yaml"), *where(tmp_path))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 tests, 0 failed")


def test_a_policy_with_an_error_is_refused_with_file_and_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("rules:\n  - decision: deny\n    match: {modul: x}\n")
    done = command.run("policy", "check", "file", *where(tmp_path))
    assert done.returncode == 2
    assert "policy.yaml line 3" in done.stderr
    assert "did you mean module?" in done.stderr


def test_an_unknown_host_is_refused(command: Command, tmp_path: Path) -> None:
    done = command.run("policy", "check", "file", "--host", "zz", *where(tmp_path))
    assert (done.returncode, "cannot find zz" in done.stderr) == (2, True)


def test_an_observation_has_its_fence(command: Command, tmp_path: Path) -> None:
    def line(*words: str) -> str:
        return command.run("policy", "check", *words, "--kind", "observation").stdout.strip()

    assert line("shell", "-p", "cmd=id").endswith("it runs in the read-only sandbox")
    assert line("service", "-p", "name=ssh", "-p", "state=started").endswith("it runs in check mode")
    assert line("stat", "-p", "path=/etc").endswith("it only reads")
    assert line("git", "-p", "repo=x").startswith(
        "refused localhost: cannot observe with git: it may change the host"
    )


MODELS = """
rules:
  - decision: deny
    match: {module: claude, param.model: "*preview*", environment: prod}
    applies_to: model_calls
    reason: only released models
"""


@pytest.mark.parametrize(
    ("words", "ruling"),
    [
        (["--model", "m-preview", "--environment", "prod"], "deny"),
        (["--model", "m-preview", "--environment", "prod", "--resolve"], "deny"),
        (["--model", "m-preview"], "allow"),
        (["--model", "m-1", "--environment", "prod"], "allow"),
        (["--model", "m-preview", "--provider", "other", "--environment", "prod"], "allow"),
    ],
)
def test_a_request_to_a_model(command: Command, tmp_path: Path, words: list[str], ruling: str) -> None:
    (tmp_path / "policy.yaml").write_text(MODELS)
    done = command.run("policy", "check", *words, "--json", *where(tmp_path))
    (answer,) = json.loads(done.stdout)
    assert (answer["ruling"], answer["host"], done.returncode) == (ruling, "", 4 if ruling == "deny" else 0)


def test_a_site_tests_its_rules_about_models(command: Command, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(MODELS)
    (tmp_path / "tests.yaml").write_text(
        "tests:\n"
        "  - {module: claude, kind: model_call, params: {model: m-preview}, environment: prod,\n"
        "     expect: deny, rule: 1}\n"
        "  - {module: claude, kind: model_call, params: {purpose: repair}, expect: deny}\n"
    )
    done = command.run("policy", "test", str(tmp_path / "tests.yaml"), *where(tmp_path))
    assert (done.returncode, done.stdout.splitlines()) == (
        1,
        [
            "ok     model_call claude",
            "failed model_call claude: expected deny, and it is allow: no rule matches",
            "2 tests, 1 failed",
        ],
    )


def test_a_request_to_a_model_has_no_other_parameters(command: Command, tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text(
        "tests: [{module: claude, kind: model_call, params: {modle: m}, expect: allow}]\n"
    )
    done = command.run("policy", "test", str(tmp_path / "tests.yaml"), *where(tmp_path))
    assert (done.returncode, "cannot check a request to a model with modle" in done.stderr) == (2, True)


def test_a_freeze_is_named_and_does_not_change_the_ruling(command: Command, tmp_path: Path) -> None:
    freezes = FreezeFiles(command.database)
    reason = "the power is out"
    freezes.add(Freeze(id="f1", scope=FreezeScope.TARGET, of="192.0.2.1", reason=reason, by="ops (uid 7)", since=1))
    done = command.run("policy", "check", "apt", "--host", "prod", "--origin", "person", *where(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    a, b = done.stdout.splitlines()
    assert a.startswith("allow   a: no rule matches; it would wait: frozen by ops since 1970-01-01")
    assert a.endswith(": the power is out")
    assert "would wait" not in b
    found = json.loads(command.run("policy", "check", "shell", "--host", "prod", "--json", *where(tmp_path)).stdout)
    assert [(one["ruling"], bool(one["frozen"])) for one in found] == [("deny", True), ("deny", False)]
