"""The shell of ftl2ctl on a terminal, with a scripted service."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.protocol.loops.facts import (
    PromptAnswered,
)
from ftl2_enterprise.protocol.loops.nouns import (
    Observation,
    ObservationState,
    PromptState,
    StoredText,
)
from ftl2_enterprise.protocol.loops.replies import LoopDetail, PromptDetail, PromptLine
from ftl2_enterprise.protocol.loops.verbs import (
    AnswerPrompt,
    ShowLoop,
    ShowPrompt,
)
from ftl2_enterprise.protocol.service.verbs import WatchEvents
from tests.support.data import builders
from tests.support.scripted.shell_service import ShellService
from tests.support.terminal.screen import INVITE, Screen, shell

if TYPE_CHECKING:
    from collections.abc import Iterator


OBSERVED = Observation(
    id=1,
    loop_id=1,
    iteration_id=12,
    name="unit",
    module="service",
    host="web1",
    params={},
    origin="decision",
    state=ObservationState.SUCCEEDED,
    result=StoredText(shown="unit on web1: state=stopped"),
    error=None,
    started_at=builders.ago(70),
    ended_at=builders.ago(69),
)


@pytest.fixture
def service() -> Iterator[ShellService]:
    # Short: the path of a socket has at most 107 bytes, and a message with it is to stay on its line.
    with TemporaryDirectory(prefix="ctl-") as directory, ShellService(Path(directory) / "s") as found:
        yield found


@pytest.fixture
def screen(service: ShellService, tmp_path: Path) -> Iterator[Screen]:
    """The shell, once it has read the state of the service."""
    with shell(service.path, tmp_path) as begun:
        begun.see(INVITE, "2 running")
        yield begun


@pytest.fixture
def asking(service: ShellService) -> ShellService:
    """Two prompts are open; the older one is 3. Once it is answered, its loop continues, and rests."""
    service.prompts = [
        PromptLine(prompt=builders.prompt(5, "Later?", asked_at=builders.ago(10)), loop="database"),
        PromptLine(prompt=builders.prompt(3), loop="web"),
    ]
    detail = PromptDetail(prompt=builders.prompt(3), loop="web", desired_state="nginx runs", observations=[OBSERVED])
    service.on(ShowPrompt, detail)
    running = LoopDetail(loop=builders.loop(), process=None, open_prompts=[], last=None)
    service.on(ShowLoop, running)

    def answered(request: AnswerPrompt) -> Any:
        del service.prompts[1]
        service.cursor += 1
        event = builders.event(service.cursor, PromptAnswered, answer=request.answer, answered_by="ada", prompt_id=3)
        # A watch from a cursor receives what came after it.
        service.on(WatchEvents, lambda watch: service.since(watch, event))
        return builders.prompt(request.prompt, state=PromptState.ANSWERED, answer=request.answer, answered_by="ada")

    service.on(AnswerPrompt, answered)
    return service


@pytest.fixture
def asked_screen(asking: ShellService, tmp_path: Path) -> Iterator[Screen]:
    """The shell, once its greeting has counted two prompts."""
    with shell(asking.path, tmp_path) as begun:
        begun.see(INVITE, "2 prompts wait for you: answer")
        yield begun
