"""The shell of ftl2ctl as a person has it: on a terminal, against a service that plays a script."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.problem import not_found
from ftl2_enterprise.ctl.repl.line_history import NAME
from ftl2_enterprise.protocol.loops.facts import (
    IterationStarted,
    LoopBlocked,
    LoopCreated,
    LoopFailed,
    LoopRested,
    PromptAnswered,
)
from ftl2_enterprise.protocol.loops.nouns import (
    Desired,
    LoopState,
    Observation,
    ObservationState,
    PromptState,
    StoredText,
)
from ftl2_enterprise.protocol.loops.replies import Deleted, LoopDetail, PromptDetail, PromptLine
from ftl2_enterprise.protocol.loops.verbs import (
    AnswerPrompt,
    DeleteLoop,
    PauseLoop,
    ShowLoop,
    ShowPrompt,
)
from ftl2_enterprise.protocol.service.verbs import WatchEvents
from ftl2_enterprise.render.text import width
from tests.support.data import builders
from tests.support.scripted.fake_service import PlayedService
from tests.support.terminal.screen import INVITE, Screen, ctl, invited, shell
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl2_enterprise.core.event import Event
    from tests.support.scripted.scripted_service import Stream


class Played(PlayedService):
    """Has two loops, and pauses whichever is to be paused."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, ["web", "database"])
        self.on(PauseLoop, builders.loop(desired=Desired.PAUSE, state=LoopState.PAUSED))

    def since(self, request: WatchEvents, *events: Event) -> Stream:
        """The stream, preceded by those of the events that are behind the cursor of the watch."""
        self.events.first = [one for one in events if request.after is not None and one.id > request.after]
        return self.events


@pytest.fixture
def service() -> Iterator[Played]:
    # Short: the path of a socket has at most 107 bytes, and a message with it is to stay on its line.
    with TemporaryDirectory(prefix="ctl-") as directory, Played(Path(directory) / "s") as found:
        yield found


@pytest.fixture
def screen(service: Played, tmp_path: Path) -> Iterator[Screen]:
    """The shell, once it has looked at the service."""
    with shell(service.path, tmp_path) as begun:
        begun.see(INVITE, "2 running")
        yield begun


def watched(service: Played) -> None:
    """Wait until the shell hears of what happens."""
    until(lambda: service.events.watchers)


def goes_on(screen: Screen) -> None:
    """The shell takes a command, and does it."""
    screen.enter("pause web")
    screen.see("web: paused")


# --- typing --------------------------------------------------------------------------------------------------------


def test_a_command_is_run_and_the_way_back_is_told(service, tmp_path):
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE, "help lists the commands", "2 running")
        screen.enter("pause web")
        screen.see("■ web: paused")
        invited(screen, 2)
        screen.type("\x04")
        status = screen.end()
    assert status == 0
    assert f"the service continues; return with ftl2ctl --socket {service.path}" in screen.text.replace("\n", "")


def test_tab_completes_commands_and_loops(screen, service):
    screen.type("pau\t")
    screen.see(f"{INVITE} pause")
    screen.type(" dat\t")
    screen.see(f"{INVITE} pause database")
    screen.enter()
    screen.see("web: paused")
    assert service.asked_for(PauseLoop)[0].loop == "database"


def test_tab_shows_what_there_is(screen):
    screen.type("pause \t")
    screen.see("web", "database")


def test_a_line_of_before_is_suggested_and_found(screen):
    screen.enter("pause web")
    invited(screen, 2)
    screen.type("pa")
    screen.wait(lambda text: text.count(f"{INVITE} pause web") == 2, what="see the suggestion")
    screen.type("\x1b[C")
    screen.enter()
    screen.wait(lambda text: text.count("web: paused") == 2)


def test_lines_are_kept_and_answers_are_not(service, tmp_path):
    service.on(AnswerPrompt, builders.prompt(state=PromptState.ANSWERED, answer="hunter2", answered_by="ada"))
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE)
        goes_on(screen)
        screen.enter("answer 3 hunter2")
        screen.see("answered: hunter2")
        invited(screen, 3)
        screen.type("\x04")
        screen.end()
    kept = tmp_path / "state" / "ftl2-enterprise" / NAME
    assert kept.read_text() == "pause web\nanswer 3\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE)
        screen.type("\x1b[A\x1b[A")
        screen.see(f"{INVITE} pause web")


def test_ctrl_c_clears_the_line_and_ctrl_d_leaves(screen, service):
    screen.type("pause we\x03")
    screen.wait(lambda text: text.count(INVITE) == 2)
    goes_on(screen)
    screen.enter("exit")
    assert screen.end() == 0
    assert [request.loop for request in service.asked_for(PauseLoop)] == ["web"]


def test_ctrl_z_suspends_it(service, tmp_path):
    command = " ".join(["env", "PS1=", *ctl("--socket", str(service.path))])
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "PS1": "bash> "}
    with Screen(["bash", "--norc", "--noprofile", "-i"], environment=environment) as screen:
        screen.see("bash>")
        screen.enter(command)
        screen.see("2 running")
        screen.type("\x1a")
        screen.see("Stopped", "bash>")
        screen.enter("fg")
        screen.see("2 running")
        goes_on(screen)
        screen.enter("exit")
        screen.see("return with")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("pauze web", "did you mean `pause`?"),
        ("pause", "name one loop or several, or give --all"),
        ("pause 'web", "a quotation mark is not closed"),
        ("show wbe", "did you mean web?"),
    ],
)
def test_an_error_never_ends_the_shell(screen, service, typed, told):
    def missing(_request: ShowLoop) -> None:
        raise not_found("cannot find a loop 'wbe'", "did you mean web?")

    service.on(ShowLoop, missing)
    screen.enter(typed)
    screen.see("error: cannot", told)
    goes_on(screen)


def test_a_defect_never_ends_the_shell(screen, service):
    # A reply that makes no sense to this program.
    service.on(PauseLoop, {"nonsense": True})
    screen.enter("pause web")
    screen.see("error: cannot")
    screen.enter("help pause")
    screen.see("usage: pause [LOOP...]")
    assert "Traceback" not in screen.raw


def test_lines_that_are_pasted_run_one_after_the_other(screen, service):
    screen.type("\x1b[200~pause web\npause database\x1b[201~")
    screen.enter()
    until(lambda: len(service.asked_for(PauseLoop)) == 2)


# --- what the shell says unasked -----------------------------------------------------------------------------------


def test_a_new_prompt_is_announced_above_the_line_that_is_typed(screen, service):
    watched(service)
    screen.type("pause we")
    screen.see(f"{INVITE} pause we")
    service.asks(builders.prompt(7))
    text = screen.see("? web asks: Restart nginx now? (yes / no)", "-> answer 7", "1 prompt: answer")
    lines = [one for one in text.splitlines() if one]
    assert lines.index("  -> answer 7") < lines.index(f"{INVITE} pause we")
    screen.enter("b")
    screen.see("web: paused")
    assert service.asked_for(PauseLoop)[0].loop == "web"


def test_the_toolbar_follows_what_happens(screen, service):
    watched(service)
    service.loops[1] = builders.loop_line("database", id=2, state=LoopState.FAILED, reason="no space left")
    service.happen(LoopFailed)
    screen.see("1 running", "1 failed", "✘ database failed: no space left")


def test_the_shell_comes_back_when_the_service_does(screen, service):
    watched(service)
    screen.type("pause we")
    screen.see(f"{INVITE} pause we")
    service.stop()
    screen.wait(lambda text: text.count("the service is unreachable, trying again") == 2, what="said and shown")
    service.prompts.append(PromptLine(prompt=builders.prompt(9), loop="web"))
    service.start()
    screen.see("the service is back", "web asks: Restart nginx now?", "2 running")
    screen.enter("b")
    text = screen.see("web: paused")
    assert text.count("✘ the service is unreachable") == 1


def test_the_shell_begins_without_a_service(service, tmp_path):
    service.stop()
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE, "the service is unreachable, trying again", "there is no such socket")
        screen.enter("status")
        screen.see("error: cannot reach the service")
        service.start()
        screen.see("2 running")


# --- answering -----------------------------------------------------------------------------------------------------

SEEN = Observation(
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
def asking(service: Played) -> Played:
    """Two prompts are open; the older one is 3. Once it is answered its loop goes on, and rests."""
    service.prompts = [
        PromptLine(prompt=builders.prompt(5, "Later?", asked_at=builders.ago(10)), loop="database"),
        PromptLine(prompt=builders.prompt(3), loop="web"),
    ]
    detail = PromptDetail(prompt=builders.prompt(3), loop="web", desired_state="nginx runs", observations=[SEEN])
    service.on(ShowPrompt, detail)
    running = LoopDetail(loop=builders.loop(), process=None, open_prompts=[], last=None)
    service.on(ShowLoop, running)

    def answered(request: AnswerPrompt) -> Any:
        del service.prompts[1]
        service.cursor += 1
        told = builders.event(service.cursor, PromptAnswered, answer=request.answer, answered_by="ada", prompt_id=3)
        # Those who watch from a cursor are told what came after it.
        service.on(WatchEvents, lambda watch: service.since(watch, told))
        return builders.prompt(request.prompt, state=PromptState.ANSWERED, answer=request.answer, answered_by="ada")

    service.on(AnswerPrompt, answered)
    return service


@pytest.fixture
def asked_screen(asking: Played, tmp_path: Path) -> Iterator[Screen]:
    """The shell, once it has said that two prompts wait."""
    with shell(asking.path, tmp_path) as begun:
        begun.see(INVITE, "2 prompts wait for you: answer")
        yield begun


def test_answer_takes_the_oldest_prompt_and_shows_the_loop_going_on(asked_screen, asking):
    asked_screen.enter("answer")
    asked_screen.see(
        "Restart nginx now?",
        "1) yes",
        "2) no",
        "why: the configuration has changed",
        "unit on web1: state=stopped",
    )
    asked_screen.see("answer 3 of web (1-2, Enter for later):")
    asked_screen.enter("maybe")
    asked_screen.see("cannot accept 'maybe' as an answer")
    asked_screen.wait(lambda text: text.count("answer 3 of web (1-2") == 2, what="be asked again")
    asked_screen.type("n\t")
    asked_screen.see("later): no")
    asked_screen.enter()
    asked_screen.see("answered: no (by ada)")
    until(lambda: asking.events.watchers == 2)
    asking.happen(IterationStarted, n=13, in_run=1, of=10)
    asked_screen.see("◆ iteration 13")
    resting = builders.loop(state=LoopState.RESTING, next_run_at=builders.ago(-3600))
    asking.on(ShowLoop, LoopDetail(loop=resting, process=None, open_prompts=[], last=None))
    asking.happen(LoopRested, delay=3600.0, failures=0)
    asked_screen.see("next check in 60 min", "web: resting")
    goes_on(asked_screen)
    assert asking.asked_for(AnswerPrompt) == [AnswerPrompt(prompt=3, answer="no")]


def test_ctrl_c_leaves_a_loop_that_is_followed_to_itself(asked_screen, asking):
    asked_screen.enter("answer 3")
    asked_screen.see("answer 3 of web (1-2")
    asked_screen.enter("1")
    asked_screen.see("answered: yes")
    until(lambda: asking.events.watchers == 2)
    asked_screen.type("\x03")
    asked_screen.see("web continues: watch web")
    goes_on(asked_screen)


def test_an_answer_can_wait(asked_screen, asking):
    asked_screen.enter("answer")
    asked_screen.see("answer 3 of web (1-2")
    asked_screen.enter()
    asked_screen.see("the prompt stays open: answer 3")
    asked_screen.enter("answer")
    asked_screen.wait(lambda text: text.count("answer 3 of web (1-2") == 2)
    asked_screen.type("\x03")
    asked_screen.wait(lambda text: text.count("the prompt stays open: answer 3") == 2)
    assert not asking.asked_for(AnswerPrompt)


def test_the_line_that_takes_an_answer_says_whose_it_is_and_how_to_leave_it(asked_screen, asking):
    prompt = builders.prompt(3, default="no")
    asking.on(ShowPrompt, PromptDetail(prompt=prompt, loop="web", desired_state="up", observations=[]))
    asked_screen.enter("answer 3")
    asked_screen.see("answer 3 of web (1-2, Enter for no, Ctrl-C for later):")
    asked_screen.type("\x03")
    asked_screen.see("the prompt stays open: answer 3")
    assert not asking.asked_for(AnswerPrompt)


def test_an_answer_typed_while_the_service_starts_anew_is_given(asked_screen, asking):
    asked_screen.enter("answer")
    asked_screen.see("answer 3 of web (1-2")
    asking.stop()
    asked_screen.see("the service is unreachable")
    asking.start()
    asked_screen.see("the service is back")
    asked_screen.enter("2")
    asked_screen.see("answered: no")
    assert asking.asked_for(AnswerPrompt) == [AnswerPrompt(prompt=3, answer="no")]


def test_a_prompt_asked_while_another_is_answered_is_announced(asked_screen, asking):
    watched(asking)
    asked_screen.enter("answer")
    asked_screen.see("answer 3 of web (1-2")
    asked_screen.type("ye")
    asking.asks(builders.prompt(8, "Drop the table?"))
    asked_screen.see("web asks: Drop the table?", "later): ye")


def test_delete_asks(service, tmp_path):
    service.on(ShowLoop, LoopDetail(loop=builders.loop(), process=None, open_prompts=[], last=None))
    service.on(DeleteLoop, Deleted(id=1, name="web"))
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE)
        screen.enter("delete web")
        screen.see("delete loop web with 12 iterations and 4 actions? [y/N]")
        screen.enter()
        screen.see("nothing was deleted")
        screen.enter("delete web")
        screen.wait(lambda text: text.count("[y/N]") == 2)
        screen.enter("y")
        screen.see("web: deleted")
    assert len(service.asked_for(DeleteLoop)) == 1


# --- displays ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [60, 200])
def test_tables_fit_the_terminal(service, tmp_path, columns):
    service.loops += [
        builders.loop_line("数据库-主库-" * 8, id=3),
        builders.loop_line("x" * 70, id=4, state=LoopState.BLOCKED, reason="y" * 150),
    ]
    with shell(service.path, tmp_path, columns=columns) as screen:
        screen.see(INVITE, "running")
        screen.enter("status")
        text = screen.wait(lambda text: text.count(INVITE) == 2)
    rows = [one for one in text.splitlines() if "running" in one or "blocked" in one or "STATE" in one]
    assert len([one for one in rows if one.split()[0] in {"LOOP", "web", "database"}]) == 3
    assert max(width(one) for one in rows) <= columns
    table = [one for one in rows if one.split()[0] not in {"4", "3"}]
    # Nothing has been broken by the terminal: each loop is on one line.
    assert len(table) == 5, text


def test_status_watch_is_a_display_that_stays(screen, service):
    screen.enter("status --watch")
    screen.see("q quits", "2 loops", "web", "database")
    screen.lose(INVITE)
    service.loops.append(builders.loop_line("third", id=3))
    service.happen(LoopCreated)
    screen.see("3 loops", "third")
    service.loops += [
        builders.loop_line("fourth", id=4, state=LoopState.COMPLETED),
        builders.loop_line("fifth", id=5, state=LoopState.BLOCKED),
    ]
    service.happen(LoopBlocked)
    # A display is seen while it is drawn, too: what is below is there when all of it is.
    text = screen.see("4 loops: 3 running, 1 blocked", "fifth", "web", "database", "third", "q quits")
    assert text.index("fifth") < text.index("web")
    assert "fourth" not in text
    service.stop()
    screen.see("the service is unreachable, trying again")
    service.start()
    screen.lose("unreachable")
    screen.type("q")
    screen.see(INVITE)
    goes_on(screen)


def test_colours_are_for_terminals_that_want_them(service, tmp_path):
    with shell(service.path, tmp_path) as screen:
        screen.see(INVITE, "2 running")
        screen.enter("status")
        screen.see("in sync")
    assert "\x1b[32m" in screen.raw
    with shell(service.path, tmp_path, NO_COLOR="1") as screen:
        screen.see(INVITE, "2 running")
        screen.enter("status")
        screen.see("in sync")
    colours = [f"\x1b[{code}m" for code in (31, 32, 33, 36)]
    assert not any(code in screen.raw for code in colours)
