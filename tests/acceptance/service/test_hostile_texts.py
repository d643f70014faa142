"""Whatever a host or a model writes, no command and no log line passes it to a terminal as it came."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState
from tests.support.loops.models import fake_claude
from tests.support.processes.command import Command
from tests.support.service.daemon import Daemon, daemon
from tests.support.terminal.screen import Screen, ctl

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# A title, a colour that no program here uses, the same as one character (C1), a null, a mark that reverses the
# direction of writing, a line separator, a deletion, and what would be a line of a log.
HOSTILE = "\x1b]0;owned\x07\x1b[35;45m\x9b35;45m\x00\u202e\u2028\x7f\rFORGED\n00:00:00 FORGED  a line"
DANGEROUS = re.compile(
    "\x1b\\]0;|\x1b\\[35;45m|[\x00\x7f\x80-\x9f\u202e\u2028]|\rFORGED|^00:00:00 FORGED", re.MULTILINE
)
MARK = "before "
"""What precedes the hostile text, so that a test sees that the text was shown at all."""

MODEL = """
text = MARK + HOSTILE
base = BASE
if not os.path.exists(os.path.join(base, "failed")):
    open(os.path.join(base, "failed"), "w").close()
    cmd = "cat %s/hostile; cat %s/hostile >&2; exit 3" % (base, base)
    actions = [{"module": "shell", "params": {"cmd": cmd}, "reason": text},
               {"module": "file" + HOSTILE, "params": {"path": text}, "host": "host" + HOSTILE}]
    reply(structured_output={"reasoning": text, "actions": actions, "unmet": [text]})
elif not os.path.exists(os.path.join(base, "answered")):
    ask = {"question": text, "options": [text, "other"], "default": text, "key": text}
    reply(structured_output={"reasoning": text, "ask": ask})
else:
    reply(structured_output={"blocked": text, "reasoning": text})
"""


def model(directory: Path) -> str:
    (directory / "hostile").write_text(MARK + HOSTILE)
    names = f"MARK, HOSTILE, BASE = {MARK!r}, {HOSTILE!r}, {str(directory)!r}\n"
    return f'[model]\nprovider = "claude"\ncommand = "{fake_claude(directory, names + MODEL)}"\n'


def harmless(text: str, *, wants: str = MARK) -> str:
    """Check what a terminal got: the text was shown, and nothing of it controls the terminal."""
    assert wants in text
    found = DANGEROUS.search(text)
    assert found is None, repr(text[max(0, found.start() - 200) : found.end() + 50])
    return text


class Foreground:
    """The service on a terminal."""

    def __init__(self, service: Daemon) -> None:
        self.service = service
        self.screen = Screen(service.run.argv("supervise"), environment=service.run.environment(), columns=200)

    def shown(self, *words: str, answer: str = "") -> str:
        """What `ftl2ctl` writes to a terminal."""
        argv = ctl("--socket", self.service.socket, *words)
        with Screen(argv, environment=self.service.run.environment(), columns=200) as screen:
            if answer:
                screen.see("Enter for")
                screen.enter(answer)
            screen.end()
            return screen.raw


@pytest.fixture(scope="module")
def foreground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreground]:
    """The service with the loop `web`, which waits for an answer. Tests share it, and change nothing."""
    with started(tmp_path_factory.mktemp("hostile")) as made:
        yield made


@contextmanager
def started(directory: Path) -> Generator[Foreground]:
    with daemon(directory, more=model(directory)) as service:
        made = Foreground(service)
        with made.screen:
            made.screen.wait(lambda text: Path(service.socket).exists(), what="listen")
            service.submit("web", f"{MARK}{HOSTILE}", observers=[], max_iterations=5)
            service.until_state("web", LoopState.WAITING)
            yield made


COMMANDS = {
    "status": ("status",),
    "show": ("show", "web"),
    "history": ("history", "web", "--actions"),
    "prompts": ("prompts",),
    "logs": ("logs", "web"),
    "events": ("events", "web"),
    "events as JSON": ("events", "web", "--json"),
    "history as JSON": ("history", "web", "--json"),
    "logs as JSON": ("logs", "web", "--json"),
    "prompts as JSON": ("prompts", "--json"),
    "status as JSON": ("status", "--json"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_commands_show_it_without_control_characters(foreground: Foreground, words: tuple[str, ...]) -> None:
    harmless(foreground.shown(*words), wants=MARK if words[0] != "status" else "web")


def test_json_has_the_same_value(foreground: Foreground) -> None:
    (prompt,) = json.loads(foreground.shown("prompts", "--json"))
    assert prompt["prompt"]["question"] == MARK + HOSTILE


def test_what_follows_events_shows_it_too(foreground: Foreground) -> None:
    argv = ctl("--socket", foreground.service.socket, "events", "web", "--after", "0", "--follow")
    with Screen(argv, environment=foreground.service.run.environment(), columns=200) as screen:
        screen.wait(lambda text: "prompt.asked" in screen.raw, what="see the question")
        harmless(screen.raw)


def test_the_log_of_the_service_in_the_foreground_and_its_files(foreground: Foreground) -> None:
    foreground.screen.wait(lambda text: "prompt.asked" in foreground.screen.raw, what="see the question")
    harmless(foreground.screen.raw)
    for path in (foreground.service.directory / "log").glob("*.log"):
        text = path.read_text()
        harmless(text, wants="at")
        assert [line for line in text.splitlines() if not line.startswith("{")] == []


def test_the_question_is_asked_and_its_answer_shown(tmp_path: Path) -> None:
    with started(tmp_path) as foreground:
        _answer_and_watch(foreground)


def _answer_and_watch(foreground: Foreground) -> None:
    service = foreground.service
    (service.directory / "answered").touch()
    harmless(foreground.shown("answer", answer="1"))
    service.until_state("web", LoopState.BLOCKED)
    harmless(foreground.shown("show", "web"))
    with Screen(ctl("--socket", service.socket, "watch", "web"), columns=200) as screen:
        screen.see("web: blocked")
        harmless(screen.raw)
    foreground.screen.wait(lambda text: "loop.blocked" in foreground.screen.raw, what="see the end")
    harmless(foreground.screen.raw)


def test_a_run_in_the_foreground_shows_it_without_control_characters(tmp_path: Path) -> None:
    command = Command(tmp_path, config=model(tmp_path))
    argv = command.argv("run", "-f", str(tmp_path / "hostile"), "--name", "web", "--max-iterations", "5")
    with Screen(argv, environment=command.environment(), columns=200) as screen:
        screen.see("Enter for")
        (tmp_path / "answered").touch()
        screen.enter("1")
        screen.end()
        harmless(screen.raw)
    for words in (("status",), ("history", "web", "--actions")):
        with Screen(command.argv(*words), environment=command.environment(), columns=200) as screen:
            screen.end()
            harmless(screen.raw, wants="web")
