"""A late answer: the question is gone with its loop, and another loop, of the same name even, asks by now."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.nouns import LoopState, PromptState
from ftl2_enterprise.protocol.loops.verbs import CancelLoop, DeleteLoop, ListPrompts, ShowPrompt
from tests.support.service.asking import asked, asking_daemon
from tests.support.terminal.screen import ctl
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service.daemon import Daemon


def answer(service: Daemon, prompt: int) -> subprocess.CompletedProcess[str]:
    words = ctl("--socket", service.socket, "answer", str(prompt), "9090")
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_late_answer_reaches_no_other_prompt(tmp_path: Path) -> None:
    with asking_daemon(tmp_path) as service:
        gone = asked(service)
        service.call(CancelLoop(loop="web"))
        service.until_state("web", LoopState.CANCELLED)
        until(lambda: service.lines()["web"].pid is None)
        service.call(DeleteLoop(loop="web"))
        # The process that assigns the next id may not be the one that assigned the last.
        assert service.stop() == 0
        service.start()
        now = asked(service)
        assert now > gone
        late = answer(service, gone)
        assert late.returncode != 0
        assert f"cannot answer prompt {gone}: the loop that asked is deleted" in late.stderr
        assert "Traceback" not in late.stderr
        (line,) = service.call(ListPrompts())
        assert (line.prompt.id, line.prompt.state) == (now, PromptState.OPEN)
        assert service.loop("web").state is LoopState.WAITING
        assert answer(service, now).returncode == 0
        assert service.call(ShowPrompt(prompt=now)).prompt.answer == "9090"
        assert service.stop() == 0
