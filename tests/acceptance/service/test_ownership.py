"""One loop has one runner: the service or a process in the foreground, and neither takes it from the other."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.loops.verbs import (
    CancelLoop,
    DisableRule,
    EnableRule,
    ListRules,
    PauseLoop,
    StartLoop,
)
from tests.support.service.daemon import Daemon, daemon
from tests.support.service.gated_loop import begin, gated
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULE = '''"""Make the file."""
applies_to = "everything"
observe = [{{"name": "made", "module": "command", "params": {{"cmd": "ls {base}"}}}}]


async def condition(state):
    return "made.txt" not in state["made"]["stdout"].split()


async def action(ftl):
    await ftl.file(path="{base}/made.txt", state="touch")
'''


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "rules").mkdir()
    with daemon(tmp_path, more=f'[loops]\nrules_dir = "{tmp_path}/rules"\n') as made:
        made.start()
        yield made


def test_a_foreground_run_refuses_a_loop_of_the_service(service: Daemon, tmp_path: Path) -> None:
    begin(service, "slow", gated(tmp_path), tmp_path)
    for state in (LoopState.RUNNING, LoopState.PAUSED):
        ran = service.run.run("run", "--resume", "slow")
        assert ran.returncode == 75
        assert "cannot run slow: the service runs it" in ran.stderr
        assert "ftl2ctl" in ran.stderr
        if state is LoopState.RUNNING:
            service.call(PauseLoop(loop="slow"))
            (tmp_path / "gate").touch()
            until(lambda: service.loop("slow").state is not LoopState.RUNNING)
    service.call(CancelLoop(loop="slow"))
    service.until_state("slow", LoopState.CANCELLED)
    ran = service.run.run("run", "--resume", "slow")
    assert ran.returncode == 75
    assert "cannot run slow: it belongs to the service, and has ended" in ran.stderr


def test_the_service_refuses_a_loop_that_a_foreground_process_holds(service: Daemon, tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text(gated(tmp_path))
    process = service.run.start("run", str(tmp_path / "slow.yaml"), "--name", "slow", "--quiet")
    until((tmp_path / "begun").exists)
    with pytest.raises(Problem, match=f"cannot start slow: process {process.pid} runs it in the foreground"):
        service.call(StartLoop(loop="slow"))
    line = service.lines()["slow"]
    assert (line.pid, line.managed) == (process.pid, False)
    process.send_signal(signal.SIGTERM)
    (tmp_path / "gate").touch()
    process.communicate(timeout=60)
    assert service.call(StartLoop(loop="slow")).managed is True
    assert service.until_state("slow", LoopState.COMPLETED).outcome is Outcome.CONVERGED


def test_a_foreground_loop_is_paused_by_the_service(service: Daemon, tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text(gated(tmp_path))
    process = service.run.start("run", str(tmp_path / "slow.yaml"), "--name", "slow", "--quiet")
    until((tmp_path / "begun").exists)
    assert service.call(PauseLoop(loop="slow")).state is LoopState.RUNNING
    (tmp_path / "gate").touch()
    process.communicate(timeout=60)
    assert service.loop("slow").state is LoopState.PAUSED
    # Who resumes it there wants it to run, whatever was asked before.
    assert service.run.run("run", "--resume", "slow", "--quiet").returncode == 0


def test_a_rule_that_is_disabled_fires_nowhere(service: Daemon, tmp_path: Path) -> None:
    (tmp_path / "rules" / "make.py").write_text(RULE.format(base=tmp_path))
    (rule,) = service.call(ListRules())
    assert (rule.name, rule.description, rule.enabled, rule.fired) == ("make", "Make the file.", True, 0)
    off = service.call(DisableRule(rule="make"))
    assert not off.enabled
    assert off.disabled_by is not None
    service.run.run("run", "the file exists", "--name", "front", "--decider", "rules")
    assert not (tmp_path / "made.txt").exists()
    service.submit("back", "the file exists", decider="rules")
    service.until_state("back", LoopState.FAILED, LoopState.COMPLETED)
    assert not (tmp_path / "made.txt").exists()
    assert service.call(EnableRule(rule="make")).enabled
    service.submit("again", "the file exists", decider="rules")
    until((tmp_path / "made.txt").exists)
    until(lambda: service.call(ListRules())[0].fired == 1)
    with pytest.raises(Problem, match='cannot find the rule "mkae"') as caught:
        service.call(DisableRule(rule="mkae"))
    assert caught.value.hint == 'did you mean "make"?'
