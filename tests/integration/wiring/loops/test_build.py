"""A whole loop that is built in the process of a host program."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.ports import StopSignal
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.wiring.loops import build
from ftl2_enterprise.wiring.settings import MODEL
from tests.support.loops.engine import ScriptedPeople

MANIFEST = """
version: 1
name: slow
steps:
  - name: slow
    check: {{path: {base}/made}}
    action: {{module: shell, params: {{cmd: "echo $$ > {base}/pid; exec sleep 600"}}}}
"""


async def test_cancelling_the_coroutine_of_a_loop_ends_its_processes_and_releases_the_loop(tmp_path: Path):
    settings = MODEL.load(environ={"HOME": str(tmp_path)}, flags={"store.path": str(tmp_path / "loops.db")}).settings
    spec = build.prepare(LoopSpec(name="slow", desired_state=MANIFEST.format(base=tmp_path)), settings)
    database = build.open_database(settings, create=True)
    try:
        with database.write() as tx:
            loop = loop_rows.create_loop(tx, spec)
        running = asyncio.create_task(
            build.run_loop(database, loop.id, settings=settings, people=ScriptedPeople(), stop=StopSignal())
        )
        pid_file = tmp_path / "pid"
        async with asyncio.timeout(30):
            while not (pid_file.exists() and pid_file.read_text().strip()):
                await asyncio.sleep(0.02)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()
        with database.read() as tx:
            assert loop_rows.get_loop(tx, loop.id).owner is None
    finally:
        database.close()


def test_preparing_a_loop_executes_no_rule(tmp_path: Path):
    rules = tmp_path / "rules"
    rules.mkdir()
    code = f"applies_to = 'everything'\nopen({str(tmp_path / 'executed')!r}, 'w')"
    (rules / "one.py").write_text(f"{code}\nasync def condition(state): ...\nasync def action(ftl): ...\n")
    settings = MODEL.load(environ={"HOME": str(tmp_path)}, flags={"store.path": str(tmp_path / "loops.db")}).settings
    spec = LoopSpec(name="web", desired_state="as it should be", decider="rules", rules_dir=str(rules))
    assert build.prepare(spec, settings).decider == "rules"
    assert not (tmp_path / "executed").exists()


COPYING = """
version: 1
name: files
observe:
  - {name: page, module: uri, params: {url: "http://localhost"}}
steps:
  - {name: a, check: {command: "true"}, action: {module: copy, params: {dest: /tmp/a, content: a}}}
"""


def prepared(tmp_path: Path, secret: str, rules_dir: str | None = None) -> LoopSpec:
    settings = MODEL.load(environ={"HOME": str(tmp_path)}, flags={"store.path": str(tmp_path / "loops.db")}).settings
    spec = LoopSpec(name="files", desired_state=COPYING, secrets=[secret], rules_dir=rules_dir)
    return build.prepare(spec, settings)


@pytest.mark.parametrize("module", ["copy", "ansible.builtin.copy", "c*", "uri", "shell"])
def test_a_secret_of_a_module_that_a_manifest_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str):
    monkeypatch.setenv("VALUE", "s3cret")
    assert prepared(tmp_path, f"{module}.owner=VALUE").decider == "manifest"


@pytest.mark.parametrize(
    ("module", "hint"), [("user", "it uses copy, shell, uri"), ("cpoy", "did you mean copy.password?")]
)
def test_a_secret_of_a_module_that_it_never_uses_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, hint: str
):
    monkeypatch.setenv("VALUE", "s3cret")
    with pytest.raises(Problem) as caught:
        prepared(tmp_path, f"{module}.password=VALUE")
    assert caught.value.message == (f"cannot bind {module}.password: the manifest never uses the module {module}")
    assert caught.value.hint == hint


def test_rules_may_use_any_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VALUE", "s3cret")
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "one.py").write_text(
        "applies_to = 'everything'\nasync def condition(state): ...\nasync def action(ftl): ...\n"
    )
    assert prepared(tmp_path, "user.password=VALUE", rules_dir=str(rules)).decider == "manifest"
