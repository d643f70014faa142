"""`ftl2-enterprise run`: its exit statuses, questions, and names."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from ftl2_enterprise.cli.program import statuses
from ftl2_enterprise.protocol.loops.nouns import Outcome
from ftl2_enterprise.render.exit_status import Exit
from ftl2_enterprise.render.loops.exit_status import MEANINGS, OUTCOMES, LoopExit
from tests.support.processes.command import MODULE, Command
from tests.support.terminal.cli_runs import MAKE, ended, manifest


def test_a_converged_run_exits_with_0_and_prints_what_it_did(command: Command, tmp_path: Path) -> None:
    printed = ended(command.run("run", "-f", manifest(tmp_path, MAKE), "--name", "web"), 0)
    assert (tmp_path / "made").exists()
    assert "changed   shell on localhost" in printed
    assert "converged: loop web" in printed
    assert "1 action (1 changed)" in printed
    assert f"{MODULE} --db {command.database}" in printed


def test_a_run_that_does_not_converge_exits_with_1(command: Command, tmp_path: Path) -> None:
    printed = ended(command.run("run", "-f", manifest(tmp_path, MAKE), "--max-iterations", "1"), 1)
    assert "not converged: loop made" in printed


def test_a_failed_action_shows_its_error_and_an_answer_to_stop_blocks_the_loop(
    command: Command, tmp_path: Path
) -> None:
    path = manifest(tmp_path, "echo no luck >&2; exit 7")
    argv = command.argv("run", "-f", path, "--max-ask-delay", "1")
    result = subprocess.run(
        argv, input="stop\n", env=command.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    printed = ended(result, 3)
    assert "FAILED    shell on localhost" in printed
    assert "rc 7: exit status 7: no luck" in printed
    assert "blocked: loop made" in printed
    assert "blocked" in ended(command.run("status"), 0)


def test_a_denied_run_exits_with_4(command: Command, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: [{decision: deny, match: {module: shell}, reason: no shell here}]\n")
    printed = ended(command.run("run", "-f", manifest(tmp_path, MAKE), "--policy", str(policy)), 4)
    assert "DENIED" in printed
    assert "no shell here" in printed
    assert not (tmp_path / "made").exists()


def test_a_failing_model_exits_with_5(tmp_path: Path) -> None:
    program = tmp_path / "model"
    program.write_text("#!/bin/sh\ncat >/dev/null\nexit 1\n")
    program.chmod(0o755)
    command = Command(tmp_path, config=f'[model]\nprovider = "claude"\ncommand = "{program}"\nretries = 0\n')
    printed = ended(command.run("run", "all is well", "--name", "web"), 5)
    assert "model failed: loop web" in printed


def test_a_dry_run_changes_nothing_and_exits_with_7_or_0(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, MAKE)
    printed = ended(command.run("run", "-f", path, "--dry-run"), 7)
    assert "would run shell on localhost" in printed
    assert not (tmp_path / "made").exists()
    (tmp_path / "made").touch()
    ended(command.run("run", "-f", path, "--dry-run"), 0)


def test_a_question_without_an_answer_exits_with_8_and_can_be_answered_later(
    command: Command, tmp_path: Path
) -> None:
    path = manifest(tmp_path, "echo {{{{ answers.colour }}}} > {base}/made", question=True)
    printed = ended(command.run("run", "-f", path), 8)
    assert "prompt 1: Which colour?" in printed
    assert "respond 1" in printed
    shown = ended(command.run("status"), 0)
    assert "waiting" in shown
    assert "prompt 1 of made, " in shown
    assert "Which colour?" in shown
    assert "red | blue" in ended(command.run("prompts"), 0)
    assert "answered: red" in ended(command.run("respond", "1", "1"), 0)
    again = ended(command.run("respond", "1", "2"), 75)
    assert "cannot answer prompt 1: it is answered" in again
    assert "no open prompts" in ended(command.run("prompts"), 0)
    ended(command.run("run", "--resume", "made"), 0)
    assert (tmp_path / "made").read_text() == "red\n"
    assert "prompt 1: Which colour? -> answered: red" in ended(command.run("history", "made"), 0)


def test_an_answer_may_come_from_a_pipe(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, "echo {{{{ answers.colour }}}} > {base}/made", question=True)
    result = subprocess.run(
        command.argv("run", "-f", path), input="red\n", env=command.environment(), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    ended(result, 0)
    assert (tmp_path / "made").read_text() == "red\n"


def test_without_a_terminal_the_default_is_used(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, "echo {{{{ answers.colour }}}} > {base}/made", question=True)
    assert "not answered; its default counts: blue" in ended(command.run("run", "-f", path, "--non-interactive"), 0)


def test_every_outcome_has_its_own_exit_status() -> None:
    assert set(OUTCOMES) == set(Outcome)
    assert len(set(OUTCOMES.values())) == len(Outcome)
    assert set(MEANINGS) == set(LoopExit)


def test_the_reference_and_the_help_list_every_status(command: Command) -> None:
    page = Path("docs/reference/exit-status.md").read_text()
    shown = ended(command.run("--help"), 0)
    assert {int(status) for status, _ in statuses()} == {*map(int, Exit), *map(int, LoopExit)}
    for status, _ in statuses():
        assert f"| {status} |" in page
        assert f"\n  {status} " in shown


def test_an_existing_name_is_refused_and_a_derived_one_is_numbered(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, MAKE)
    ended(command.run("run", "-f", path, "--name", "web"), 0)
    assert "a loop with that name exists" in ended(command.run("run", "-f", path, "--name", "web"), 75)
    ended(command.run("run", "-f", path), 0)
    assert "loop made-2" in ended(command.run("run", "-f", path), 0)


def test_the_summary_after_a_resume_counts_the_whole_run(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(
        "version: 1\nname: two\nsteps:\n"
        f"  - name: one\n    file: {{path: {tmp_path}/one, state: directory}}\n"
        f"  - name: two\n    requires: [one]\n    file: {{path: {tmp_path}/one/two, state: directory}}\n"
    )
    died = command.run("run", "-f", str(path), fault="iteration-ended=kill")
    assert died.returncode == -signal.SIGKILL
    printed = ended(command.run("run", "--resume", "two"), 0)
    assert "3 iterations; 2 actions (2 changed); " in printed
    assert " since it was resumed" in printed


def test_quiet_prints_only_the_summary(command: Command, tmp_path: Path) -> None:
    result = command.run("run", "-f", manifest(tmp_path, MAKE), "--quiet")
    ended(result, 0)
    assert result.stdout.startswith("converged: loop made\n")
