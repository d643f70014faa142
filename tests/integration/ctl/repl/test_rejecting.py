"""Who rejects actions in the shell is asked for the reason, which may be empty."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.nouns import PromptKind, PromptState
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, RejectPrompt
from tests.support.data import builders
from tests.support.scripted.fake_service import PlayedService
from tests.support.terminal.screen import INVITE, shell
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.terminal.screen import Screen

APPROVAL = builders.prompt(7, options=["approve", "reject"], kind=PromptKind.APPROVAL)
REJECTED = builders.prompt(7, kind=PromptKind.APPROVAL, state=PromptState.ANSWERED, answer="reject", answered_by="a")
ASKED = "reason (Enter for none, Ctrl-C for later):"


@pytest.fixture
def service() -> Iterator[PlayedService]:
    # Short: the path of a socket has at most 107 bytes.
    with TemporaryDirectory(prefix="ctl-") as directory, PlayedService(Path(directory) / "s") as found:
        found.opens(APPROVAL)
        found.on(AnswerPrompt, REJECTED)
        found.on(RejectPrompt, REJECTED)
        yield found


@pytest.fixture
def screen(service: PlayedService, tmp_path: Path) -> Iterator[Screen]:
    with shell(service.path, tmp_path) as begun:
        begun.see(INVITE, "1 prompt waits for you")
        begun.enter("answer 7")
        begun.see("(approve or reject, Enter for later):")
        begun.enter("reject")
        begun.see(ASKED)
        yield begun


def test_the_reason_is_sent(service: PlayedService, screen: Screen) -> None:
    screen.enter(" not today ")
    until(lambda: service.asked_for(RejectPrompt))
    assert service.asked_for(RejectPrompt)[-1].reason == "not today"
    assert not service.asked_for(AnswerPrompt)


def test_an_interrupt_sends_nothing(service: PlayedService, screen: Screen) -> None:
    screen.type("\x03")
    screen.see("the prompt stays open: answer 7")
    assert not service.asked_for(RejectPrompt)
    assert not service.asked_for(AnswerPrompt)
