"""A hundred secrets, printed in every listed encoding by whatever can print: no part of them is kept or shown."""

from __future__ import annotations

import contextlib
import subprocess
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ListPrompts, RetryLoop
from tests.support.data import canaries
from tests.support.loops.models import fake_claude
from tests.support.processes import process_marks
from tests.support.processes.process_marks import rows
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.gated_loop import hold
from tests.support.terminal.ctl_process import CTL
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

BINDINGS = [f"canary.module{number}.password=credential:c{number:02}" for number in range(canaries.COUNT)]
DECLARED = "".join(f"  c{number:02}: credential:c{number:02}\n" for number in range(canaries.COUNT))
STEPS = """\
version: 1
name: prints
secrets:
{declared}observe:
  - {{name: seen, module: shell, params: {{cmd: "cat {forms}/c0*.forms >&2; cat {forms}/c1*.forms"}}}}
steps:
  - name: held
    check: {{command: "cat {forms}/c2*.forms; test -e {base}/gate"}}
    action: {{module: shell, params: {{cmd: "cat {forms}/c3*.forms; {hold}"}}}}
  - name: written
    requires: [held]
    copy: {{content: "{{{{ observed.seen.stdout }}}}", dest: "{base}/written"}}
  - name: failing
    requires: [held]
    check: {{command: "cat {forms}/c4*.forms {forms}/c9*.forms; exit 1"}}
    action: {{module: shell, params: {{cmd: "cat {forms}/c[5678]*.forms; cat {forms}/*.forms >&2; exit 3"}}}}
  - name: bound
    requires: [held]
    check: {{command: "false"}}
    action: {{module: shell, params: {{cmd: "tee /dev/stderr; exit 4"}}}}
  - name: missing
    requires: [held]
    check: {{command: "false"}}
    action: {{module: shell, params: {{cmd: "`cat {forms}/c51`; cd \\"`cat {forms}/c57`\\""}}}}
"""
MODEL = """
base, forms = BASE, FORMS
texts = [open(path, encoding="utf-8").read() for path in sorted(forms)]
every = "".join(texts)
def some(first, count):
    return "".join(texts[first : first + count])
def taken(name):
    try:
        os.close(os.open(os.path.join(base, name), os.O_CREAT | os.O_EXCL))
        return True
    except OSError:
        return False
if taken("model-fails"):
    sys.stderr.write(every)
    print(every)
    sys.exit(1)
elif taken("model-lies"):
    reply(structured_output={"reasoning": every, "no such field": every})
elif taken("model-acts"):
    shown = "cat %s >&2; exit 3 # " % " ".join(forms[:60])
    actions = [{"module": "shell", "params": {"cmd": shown + some(0, 30)}, "reason": every},
               {"module": "file" + some(1, 2), "params": {"path": every}, "host": "host" + some(3, 2)}]
    observe = [{"name": "seen", "module": "command", "params": {"cmd": "cat " + " ".join(forms)}},
               {"name": "n" + some(5, 2), "module": "m" + some(7, 2), "params": {some(9, 1): every}}]
    reply(structured_output={"reasoning": every, "actions": actions, "observe": observe, "unmet": [every]})
elif not os.path.exists(os.path.join(base, "answered")):
    ask = {"question": some(10, 10), "options": [some(20, 10), "other"], "default": "other", "key": some(30, 2)}
    reply(structured_output={"reasoning": every, "ask": ask})
else:
    reply(structured_output={"blocked": every, "reasoning": every})
"""
RULE = """
from pathlib import Path

name = "canaries"
description = "Prints and raises."

async def condition(state):
    text = "".join(path.read_text() for path in sorted(Path({forms!r}).glob("*.forms")))
    print(text)
    raise ValueError(text)

async def action(ftl):
    pass
"""
COMMANDS = (
    ["status"],
    *(
        [*words, *more]
        for words in (["show", "LOOP"], ["history", "LOOP", "--actions"], ["actions", "LOOP"], ["logs", "LOOP"],
                      ["events", "LOOP"], ["resources", "LOOP"], ["hosts", "LOOP"])
        for more in ([], ["--json"])
    ),
    ["prompts"], ["prompts", "--json"], ["events"], ["events", "--json"], ["logs"], ["rules"], ["health"],
)  # fmt: skip


def _forms(base: Path) -> list[str]:
    return [str(path) for path in sorted((base / "secret").glob("*.forms"))]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    canaries.save(tmp_path / "secret")
    base = tmp_path / "service"
    base.mkdir()
    named = f"BASE, FORMS = {str(base)!r}, {_forms(tmp_path)!r}\n"
    more = f'[model]\nprovider = "claude"\ncommand = "{fake_claude(base, named + MODEL)}"\n'
    with daemon(base, supervisor="restart_delay = 0.01", more=more) as made:
        made.start(env={"CREDENTIALS_DIRECTORY": str(tmp_path / "secret")})
        yield made


def _shown(service: Daemon, words: list[str]) -> bytes:
    argv = [*CTL, "--socket", service.socket, *words]
    done = subprocess.run(argv, env=service.run.environment(), capture_output=True, timeout=60, check=False)
    return done.stdout + done.stderr


def _clean_commands(service: Daemon, *loops: str) -> int:
    """Check what each command shows about each of the loops; returns the number of bytes."""
    size = 0
    for words in COMMANDS:
        for loop in loops if "LOOP" in words else [""]:
            asked = [loop if word == "LOOP" else word for word in words]
            shown = _shown(service, asked)
            assert shown, asked
            assert not canaries.left_in(shown), asked
            size += len(shown)
    return size


def _clean_processes(service: Daemon) -> int:
    found = process_marks.processes(service.run)
    for pid in found:
        for name in ("environ", "cmdline"):
            with contextlib.suppress(OSError):  # it has ended
                assert not canaries.left_in((Path("/proc") / str(pid) / name).read_bytes()), (pid, found[pid])
    return len(found)


def _clean_files(service: Daemon, base: Path) -> int:
    """Check every file, and the stored texts, which are compressed in the database; returns the number with masks."""
    assert canaries.left_in_files(base.rglob("*")) == {}
    stored = [zlib.decompress(body) for (body,) in rows(service.run, "SELECT body FROM texts")]
    for body in stored:
        assert not canaries.left_in(body)
    return sum(b"[redacted]" in body for body in stored)


def _rules(base: Path, forms: Path) -> str:
    folder = base / "rules"
    folder.mkdir()
    (folder / "canary.py").write_text(RULE.format(forms=str(forms)))
    return str(folder)


@pytest.mark.timeout(400)
def test_nothing_of_a_hundred_secrets_is_stored_logged_or_shown(service: Daemon, tmp_path: Path) -> None:
    base, forms = service.directory, tmp_path / "secret"
    text = STEPS.format(declared=DECLARED, forms=forms, base=base, hold=hold(base))
    bound = [*BINDINGS, "shell.stdin=credential:c97"]
    service.submit("prints", text, secrets=bound[-1:], max_iterations=4)
    until((base / "begun").exists, seconds=60)
    assert _clean_processes(service) > 4
    service.kill("loop:prints")
    until(lambda: len((base / "begun").read_text().split()) == 2, seconds=60)
    (base / "gate").touch()
    rules = _rules(base, forms)
    service.submit(
        "decides", "The canaries are quiet.", secrets=bound, rules_dir=rules, max_iterations=6, observers=[]
    )
    # The program of the model fails with them in its message.
    service.until_state("decides", LoopState.FAILED, seconds=60)
    service.call(RetryLoop(loop="decides"))
    service.until_state("decides", LoopState.WAITING, seconds=60)
    (line,) = [one for one in service.call(ListPrompts()) if one.loop == "decides"]
    service.until_state("prints", LoopState.WAITING, LoopState.FAILED, LoopState.BLOCKED, seconds=60)
    assert _clean_commands(service, "prints", "decides") > 100_000
    (base / "answered").touch()
    service.call(AnswerPrompt(prompt=line.prompt.id, answer="other"))
    service.until_state("decides", LoopState.BLOCKED, LoopState.FAILED, seconds=60)
    assert _clean_commands(service, "prints", "decides") > 100_000
    # While the service runs, its WAL has what was written last.
    assert (base / "loops.db-wal").stat().st_size
    _clean_files(service, base)
    assert service.stop() == 0
    assert _clean_files(service, base) > 10
    # Everything was printed: the masks show that.
    assert "[redacted]" in (base / "written").read_text()


def test_templates_write_them_and_nothing_else_has_them(service: Daemon, tmp_path: Path) -> None:
    base, written = service.directory, tmp_path / "written"
    names = [f"c{number:02}" for number in range(canaries.COUNT)]
    (base / "t.j2").write_text("".join(f"{name}={{{{ secrets.{name} }}}}\n" for name in names))
    text = (
        f"version: 1\nname: writes\nsecrets:\n{DECLARED}"
        f"steps:\n  - {{name: file, template: {{src: t.j2, dest: {written}, mode: 0600}}}}\n"
        '  - name: body\n    requires: [file]\n    check: {command: "false"}\n'
        '    action: {module: shell, params: {cmd: "tee /dev/stderr; exit 5", stdin: "{{ secrets.c33 }}\\n"}}\n'
    )
    (base / "writes.yaml").write_text(text)
    expected = "".join(f"{name}={secret}\n" for name, secret in zip(names, canaries.canaries(), strict=True))
    for content in ("", expected.replace("c50=", "c50=x")):
        written.write_text(content)
        service.submit(f"writes{len(content)}", text, source=str(base / "writes.yaml"), max_iterations=2)
        service.until_state(f"writes{len(content)}", LoopState.FAILED, seconds=60)
        assert written.read_text() == expected
        assert _clean_commands(service, f"writes{len(content)}") > 1000
    shown = _shown(service, ["history", "writes0", "--actions", "--json"]).decode()
    assert "c33=⟦secret:c33⟧" in shown
    # A dry run compares with a file that has secrets which are not known any more.
    written.write_text("c00=an-older-secret\n")
    service.submit("dry", text, source=str(base / "writes.yaml"), dry_run=True)
    service.until_state("dry", LoopState.COMPLETED, LoopState.FAILED, seconds=60)
    shown = _shown(service, ["history", "dry", "--actions", "--json"]).decode()
    assert "not shown: it has a secret" in shown
    assert "older-secret" not in shown
    _clean_files(service, base)
    assert service.stop() == 0
    _clean_files(service, base)
