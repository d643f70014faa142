"""What a person answers to a secret question reaches the host, and is nowhere else but in its file."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, DeleteLoop, ListPrompts, RunLoopNow
from tests.support.data import canaries
from tests.support.service.daemon import Daemon, daemon
from tests.support.terminal.ctl_process import ctl
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST = """\
version: 1
name: asks
questions:
  - {{key: phrase, question: "Which phrase?", secret: true}}
  - {{key: word, question: "Which word?"}}
steps:
  - {{name: file, copy: {{dest: {file}, content: "{{{{ answers.word }}}} {{{{ secrets.phrase }}}}\\n", mode: 0600}}}}
  - name: printed
    requires: [file]
    check: {{command: "cat {file}; test -e {file}.done"}}
    action: {{module: shell, params: {{cmd: "cat {file} | tee /dev/stderr; base64 {file}; touch {file}.done"}}}}
"""
SECRET = canaries.canary(43)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    base = tmp_path / "service"
    base.mkdir()
    with daemon(base, supervisor="restart_delay = 0.01") as made:
        made.start()
        yield made


def submit(service: Daemon, file: Path, **spec: object) -> None:
    service.submit("asks", MANIFEST.format(file=file), decider="manifest", **spec)


def answer(service: Daemon) -> None:
    """Answer both questions; the first of them is the secret."""
    (line,) = until(lambda: service.call(ListPrompts(loop="asks")))
    assert line.prompt.secret
    answered = service.call(AnswerPrompt(prompt=line.prompt.id, answer=SECRET, is_private=True))
    assert answered.answer == "[redacted]"
    (line,) = until(lambda: service.call(ListPrompts(loop="asks")))
    service.call(AnswerPrompt(prompt=line.prompt.id, answer="hello"))


def kept(service: Daemon) -> list[str]:
    folder = service.directory / "loops.db.secrets"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def is_clean(service: Daemon) -> None:
    """No file of the service has a part of it, but the one that keeps it; and no command shows one."""
    secrets = service.directory / "loops.db.secrets"
    files = [path for path in service.directory.rglob("*") if secrets not in path.parents]
    assert len(files) > 3
    assert canaries.left_in_files(files) == {}
    for words in (["history", "asks", "--actions", "--json"], ["prompts", "--all", "--json"], ["events", "--json"],
                  ["show", "asks"], ["logs"], ["history", "asks"], ["watch", "asks", "--json"]):  # fmt: skip
        if words[0] != "watch" or service.loop("asks").state in {LoopState.COMPLETED, LoopState.FAILED}:
            done = ctl(service.directory / "control.sock", *words)
            assert not canaries.left_in((done.stdout + done.stderr).encode()), words


def test_a_secret_answer_reaches_the_host_and_nothing_else(service: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "file"
    submit(service, file)
    answer(service)
    done = service.until_state("asks", LoopState.COMPLETED, LoopState.FAILED, LoopState.BLOCKED)
    assert done.outcome is Outcome.CONVERGED, done.reason
    assert file.read_text() == f"hello {SECRET}\n"
    is_clean(service)
    # The output of the action was redacted: the secret was printed.
    shown = ctl(service.directory / "control.sock", "history", "asks", "--actions", "--json").stdout
    assert "hello [redacted]" in shown
    folder = service.directory / "loops.db.secrets"
    (name,) = kept(service)
    assert (folder / name).read_text() == SECRET
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / name)] == [0o700, 0o600]
    service.call(DeleteLoop(loop="asks"))
    assert kept(service) == []
    assert service.stop() == 0
    assert canaries.left_in_files(service.directory.rglob("*")) == {}


def test_it_survives_when_every_process_is_killed(service: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "file"
    submit(service, file, mode="continuous", interval=3600.0)
    (line,) = until(lambda: service.call(ListPrompts(loop="asks")))
    service.call(AnswerPrompt(prompt=line.prompt.id, answer=SECRET, is_private=True))
    until(lambda: [one for one in service.call(ListPrompts(loop="asks")) if not one.prompt.secret])
    service.kill("root")
    service.wait()
    service.start()
    (line,) = until(lambda: service.call(ListPrompts(loop="asks")))
    service.call(AnswerPrompt(prompt=line.prompt.id, answer="hello"))
    service.until_state("asks", LoopState.RESTING)
    assert file.read_text() == f"hello {SECRET}\n"
    # Drift of the file with the secret is repaired without asking again.
    service.kill("root")
    service.wait()
    service.start()
    file.write_text("other\n")
    service.call(RunLoopNow(loop="asks"))
    until(lambda: file.read_text() == f"hello {SECRET}\n")
    is_clean(service)


def test_an_answer_that_is_lost_is_asked_for_again(service: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "file"
    submit(service, file, mode="continuous", interval=3600.0)
    answer(service)
    service.until_state("asks", LoopState.RESTING)
    (name,) = kept(service)
    (service.directory / "loops.db.secrets" / name).unlink()
    file.unlink()
    service.call(RunLoopNow(loop="asks"))
    (line,) = until(lambda: service.call(ListPrompts(loop="asks")))
    assert line.prompt.key == "phrase"
    service.call(AnswerPrompt(prompt=line.prompt.id, answer=f"{SECRET}!", is_private=True))
    until(file.exists)
    assert file.read_text() == f"hello {SECRET}!\n"


def test_an_answer_that_cannot_be_kept_is_refused(service: Daemon, tmp_path: Path) -> None:
    submit(service, tmp_path / "file")
    (line,) = until(lambda: service.call(ListPrompts(loop="asks")))
    folder = service.directory / "loops.db.secrets"
    folder.write_text("not a directory")
    with pytest.raises(Problem, match=r"^cannot keep the secret: "):
        service.call(AnswerPrompt(prompt=line.prompt.id, answer=SECRET, is_private=True))
    assert service.loop("asks").state is LoopState.WAITING
    folder.unlink()
    answer(service)
    assert service.until_state("asks", LoopState.COMPLETED).outcome is Outcome.CONVERGED
    is_clean(service)


def test_a_secret_on_a_command_line_is_refused_and_a_piped_one_taken(service: Daemon, tmp_path: Path) -> None:
    file, socket = tmp_path / "file", service.directory / "control.sock"
    submit(service, file)
    (line,) = until(lambda: service.call(ListPrompts(loop="asks")))
    refused = ctl(socket, "answer", str(line.prompt.id), SECRET)
    assert refused.returncode == 2
    assert (
        f"cannot take the answer to prompt {line.prompt.id} from the command line: it is a secret" in refused.stderr
    )
    assert service.loop("asks").state is LoopState.WAITING
    empty = ctl(socket, "answer", str(line.prompt.id), "-", input="\n")
    assert "cannot accept an empty answer" in empty.stderr
    done = ctl(socket, "answer", str(line.prompt.id), "-", input=f"{SECRET}\n")
    assert (done.returncode, "[redacted]" in done.stdout) == (0, True), done.stderr
    (line,) = until(lambda: service.call(ListPrompts(loop="asks")))
    service.call(AnswerPrompt(prompt=line.prompt.id, answer="hello"))
    service.until_state("asks", LoopState.COMPLETED)
    assert file.read_text() == f"hello {SECRET}\n"
    is_clean(service)


def test_what_a_killed_process_or_another_database_left_is_removed(service: Daemon, tmp_path: Path) -> None:
    submit(service, tmp_path / "file")
    answer(service)
    service.until_state("asks", LoopState.COMPLETED)
    folder = service.directory / "loops.db.secrets"
    for name in ("99-1796127519804395", ".7-1796127519804395.ef1501c9"):
        (folder / name).write_text(SECRET)
    # Before, it is refused because of its process.
    until(lambda: service.loop("asks").owner is None)
    service.call(DeleteLoop(loop="asks"))
    assert kept(service) == []
