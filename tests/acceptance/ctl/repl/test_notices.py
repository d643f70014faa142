"""What the shell shows without a command: notices, the toolbar, a lost service."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.facts import (
    LoopFailed,
)
from ftl2_enterprise.protocol.loops.nouns import (
    LoopState,
)
from ftl2_enterprise.protocol.loops.replies import PromptLine
from ftl2_enterprise.protocol.loops.verbs import (
    PauseLoop,
)
from tests.support.data import builders
from tests.support.scripted.shell_service import wait_for_watch
from tests.support.terminal.screen import INVITE, shell


def test_a_new_prompt_is_announced_above_the_input(screen, service):
    wait_for_watch(service)
    screen.type("pause we")
    screen.see(f"{INVITE} pause we")
    service.asks(builders.prompt(7))
    text = screen.see("? web asks: Restart nginx now? (yes / no)", "-> answer 7", "1 prompt: answer")
    lines = [one for one in text.splitlines() if one]
    assert lines.index("  -> answer 7") < lines.index(f"{INVITE} pause we")
    screen.enter("b")
    screen.see("web: paused")
    assert service.asked_for(PauseLoop)[0].loop == "web"


def test_the_toolbar_follows_events(screen, service):
    wait_for_watch(service)
    service.loops[1] = builders.loop_line("database", id=2, state=LoopState.FAILED, reason="no space left")
    service.happen(LoopFailed)
    screen.see("1 running", "1 failed", "✘ database failed: no space left")


def test_the_shell_reconnects_when_the_service_is_back(screen, service):
    wait_for_watch(service)
    screen.type("pause we")
    screen.see(f"{INVITE} pause we")
    service.stop()
    screen.wait(
        lambda text: text.count("the service is unreachable, trying again") == 2,
        what="see it as a notice and in the toolbar",
    )
    service.prompts.append(PromptLine(prompt=builders.prompt(9), loop="web"))
    service.start()
    screen.see("the service is back", "web asks: Restart nginx now?", "2 running")
    screen.enter("b")
    text = screen.see("web: paused")
    assert text.count("✘ the service is unreachable") == 1


def test_the_shell_starts_without_a_service(service, tmp_path):
    service.stop()
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE, "the service is unreachable, trying again", "there is no such socket")
        screen.enter("status")
        screen.see("error: cannot reach the service")
        service.start()
        screen.see("2 running")
