"""The shell: what `ftl2ctl` is without arguments on a terminal."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.history import DummyHistory
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl import main as ctl, problem_output, prompter, tokenizer
from ftl2_enterprise.ctl.commands.exit import LEAVE
from ftl2_enterprise.ctl.completion import Candidate
from ftl2_enterprise.ctl.repl import line_history, notifications, toolbar
from ftl2_enterprise.ctl.repl.completer import AnswerCompleter, ShellCompleter
from ftl2_enterprise.ctl.repl.snapshot import Live, Snapshot
from ftl2_enterprise.protocol.loops.nouns import PromptState
from ftl2_enterprise.render.text import Line, Role, count, line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from typing import Any

    from prompt_toolkit.completion import Completer
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.history import History

    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.render.colour import Painter

PROMPT = "ftl2ctl> "
FIRST_LOOK = 1.0
"""Seconds that the greeting waits for the service to answer."""


class Shell:
    """Reads lines and runs them; says what happens meanwhile above the line that is being typed."""

    def __init__(self, out: Painter, flags: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        self._out = out
        self._flags = {name: value for name, value in flags.items() if name in {"socket", "timeout"}}
        self._socket: str | None = flags.get("socket")
        self._live = Live(out, self._socket, self._changed)
        self._lock = threading.Lock()
        self._is_at_prompt = False
        self._told = Snapshot()
        """What the person has been told of; what differs is news."""
        self._shown: set[int] = set()
        """Prompts that commands have shown."""
        self._has_looked = threading.Event()
        self._status = 0
        self._current: PromptSession[str] | None = None
        self._late: list[Line] = []
        """What could not be said when it was found."""
        self._asked: int | None = None
        """The prompt whose answer is being typed,"""
        self._is_settled = False
        """and whether it is not open any more."""
        self._lines = self._session(
            history=line_history.Recall(line_history.path(variables)),
            completer=ShellCompleter(self._live),
            suggests=True,
        )

    def run(self) -> int:
        """Until the person leaves; the status of the last command."""
        self._live.start()
        self._has_looked.wait(FIRST_LOOK)
        self._greet()
        try:
            while True:
                try:
                    text = self.read(self._lines, PROMPT)
                except KeyboardInterrupt:
                    continue
                except EOFError:
                    break
                if not self._run_lines(text):
                    break
        finally:
            self._live.stop()
        self._out.print(line("the loops go on; come back with ", (f"{self._way_back()}", Role.COMMAND)))
        return 0

    def read(self, session: PromptSession[str], invite: str | Callable[[], str]) -> str:
        """A line. Raises KeyboardInterrupt and EOFError."""
        # Raw: what is announced has its colours as they are written.
        with patch_stdout(raw=True):
            with self._lock:
                self._is_at_prompt, self._current = True, session
                # What happened while a command was printing.
                told, self._late = [*self._news(self._live.now), *self._late], []
                if told:
                    sys.stdout.write(self._out.text(told))
            try:
                return session.prompt(lambda: [("class:prompt", invite if isinstance(invite, str) else invite())])
            finally:
                with self._lock:
                    self._is_at_prompt = False

    @contextmanager
    def asks(self, prompt_id: int) -> Generator[Callable[[], bool]]:
        """While its answer is typed, the prompt is watched; gives what tells whether it is settled."""
        self._asked, self._is_settled = prompt_id, False
        try:
            yield lambda: self._is_settled
        finally:
            self._asked = None

    def asking_session(self, options: list[Candidate]) -> PromptSession[str]:
        """For an answer: it is not remembered."""
        return self._session(history=DummyHistory(), completer=AnswerCompleter(options), suggests=False)

    def _session(self, *, history: History, completer: Completer, suggests: bool) -> PromptSession[str]:
        session: PromptSession[str] = PromptSession(
            history=history,
            completer=completer,
            complete_while_typing=False,
            enable_suspend=True,
            enable_history_search=suggests,
            # Without colours it could not be told from what was typed.
            auto_suggest=AutoSuggestFromHistory() if suggests and self._out.has_colour else None,
            bottom_toolbar=self._toolbar,
            style=Style.from_dict(toolbar.STYLES),
            color_depth=None if self._out.has_colour else ColorDepth.DEPTH_1_BIT,
        )
        return session

    def _toolbar(self) -> StyleAndTextTuples:
        return [*toolbar.fragments(self._live.now, self._out.columns)]

    def _run_lines(self, text: str) -> bool:
        """Run what was typed, or pasted; False when the person leaves."""
        for one in text.split("\n"):
            try:
                words = tokenizer.split(one)
                if not words:
                    continue
                self._status = ctl.run(
                    words,
                    out=self._out,
                    flags=self._flags,
                    asker=ShellAsker(self, self._out),
                    is_shell=True,
                )
            except Problem as problem:
                self._status = problem_output.failed(problem, is_shell=True)
            except KeyboardInterrupt:
                self._out.print(line())
                return True
            if self._status == LEAVE:
                return False
            self._live.wake()
            if self._status:
                # What was pasted behind a command that failed was not meant to run without it.
                break
        return True

    # --- what is said unasked --------------------------------------------------------------------------------------

    def _changed(self, before: Snapshot, now: Snapshot) -> None:
        """Called by the thread that looks."""
        del before
        settled = self._settled(now)
        with self._lock:
            if not self._has_looked.is_set():
                # It is greeted.
                self._told = now
                self._has_looked.set()
            current = self._current if self._is_at_prompt else None
            if current is None:
                self._late += settled
                return
            if told := [*self._news(now), *settled]:
                sys.stdout.write(self._out.text(told))
                sys.stdout.flush()
        current.app.invalidate()

    def _news(self, now: Snapshot) -> list[Line]:
        told = notifications.news(self._told, now, shown=self._shown)
        self._told = now
        return told

    def has_shown(self, prompt_id: int) -> None:
        """A command has shown the prompt: it is no news."""
        with self._lock:
            self._shown.add(prompt_id)

    def _settled(self, now: Snapshot) -> list[Line]:
        """That the prompt whose answer is being typed needs none any more."""
        asked = self._asked
        if asked is None or self._is_settled or now.problem or asked in {one.prompt.id for one in now.prompts}:
            return []
        try:
            prompt = self._live.prompt(asked)
        except Problem:
            # The next look finds out.
            return []
        if (prompt is not None and prompt.state is PromptState.OPEN) or asked != self._asked:
            return []
        self._is_settled = True
        return [notifications.settled_line(asked, prompt)]

    def _greet(self) -> None:
        now = self._live.now
        self._out.print(
            line(
                ("ftl2ctl", Role.STRONG),
                ": ",
                ("help", Role.ACCENT),
                " lists the commands, Tab completes, Ctrl-D leaves",
            )
        )
        if now.problem is not None:
            told = [line((notifications.away(now), Role.BAD)), line(now.problem.message, indent=2)]
            self._out.print(told + ([line((now.problem.hint, Role.FAINT), indent=2)] if now.problem.hint else []))
        elif not now.has_looked:
            self._out.print(line(("the service has not answered yet", Role.FAINT)))
        elif now.prompts:
            waiting = count(len(now.prompts), "prompt")
            verb = "waits" if len(now.prompts) == 1 else "wait"
            self._out.print(line((f"{waiting} {verb} for you: ", Role.WARNING), ("answer", Role.COMMAND)))
        elif not now.loops:
            self._out.print(line("no loops yet: ", ("submit -f FILE", Role.COMMAND)))

    def _way_back(self) -> str:
        return f"ftl2ctl --socket {self._socket}" if self._socket else "ftl2ctl"


class ShellAsker:
    """Asks with the shell's own lines: completion, toolbar and announcements stay."""

    def __init__(self, shell: Shell, out: Painter) -> None:
        self._shell = shell
        self._out = out

    def has_shown(self, prompt_id: int) -> None:
        """It is not announced."""
        self._shell.has_shown(prompt_id)

    def confirms(self, question: str) -> bool:
        """Whether the person says yes."""
        answer = self._read([Candidate("yes"), Candidate("no")], f"{question} [y/N] ")
        return (answer or "").strip().lower() in {"y", "yes"}

    def answer(self, prompt: Prompt, loop: str) -> str | prompter.Silence:
        """A valid answer; none is taken once the prompt is settled otherwise."""
        options = [Candidate(option, str(n)) for n, option in enumerate(prompt.options, start=1)]
        self.has_shown(prompt.id)
        with self._shell.asks(prompt.id) as is_settled:
            invites = {False: f"  {prompter.invitation(prompt, loop)}: ", True: f"  {prompter.SETTLED}: "}
            return prompter.until_valid(
                prompt, self._out, lambda: self._read(options, lambda: invites[is_settled()]), is_settled=is_settled
            )

    def _read(self, options: list[Candidate], invite: str | Callable[[], str]) -> str | None:
        session = self._shell.asking_session(options)
        prompter.forget_typed()
        # What stood behind an Enter has been read already.
        clear_typeahead(session.input)
        try:
            return self._shell.read(session, invite)
        except (EOFError, KeyboardInterrupt):
            return None


def run(out: Painter, *, flags: Mapping[str, Any], variables: Mapping[str, str]) -> int:
    """The shell; the exit status."""
    return Shell(out, flags, variables).run()
