"""The shell: `ftl2ctl` without arguments on a terminal."""

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

from ftl2_enterprise.commandline import problem_output
from ftl2_enterprise.commandline.values import GivenValues
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl import prompter, runner, tokenizer
from ftl2_enterprise.ctl.completion import CompletionCandidate
from ftl2_enterprise.ctl.problem_text import as_typed
from ftl2_enterprise.ctl.program import FTL2CTL, LEAVE
from ftl2_enterprise.ctl.repl import line_history, notifications, parts, toolbar
from ftl2_enterprise.ctl.repl.completer import AnswerCompleter, ShellCompleter
from ftl2_enterprise.ctl.repl.snapshot import LiveSnapshot, Snapshot
from ftl2_enterprise.render.text import Line, Role, line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from prompt_toolkit.completion import Completer
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.history import History

    from ftl2_enterprise.ctl.prompter import TerminalQuestion
    from ftl2_enterprise.render.colour import Painter

INVITATION = "ftl2ctl> "
FIRST_READ = 1.0
"""Seconds that the greeting waits for the service to reply."""


class Shell:
    """Reads lines and runs them; prints notices above the line that is being typed."""

    def __init__(self, out: Painter, leading: GivenValues, variables: Mapping[str, str]) -> None:
        self._out = out
        kept = {name: value for name, value in leading.values.items() if name in {"socket", "timeout"}}
        self._leading = GivenValues(kept)
        self._socket = leading.maybe("socket")
        self._parts = parts.found()
        self._live = LiveSnapshot(out, self._socket, self._changed, parts=self._parts)
        self._lock = threading.Lock()
        self._is_reading = False
        self._announced = Snapshot()
        """The state that the user has seen; differences from it are announced."""
        self._shown: set[str] = set()
        """Subjects that commands have shown, which are not announced."""
        self._is_read = threading.Event()
        self._status = 0
        self._current: PromptSession[str] | None = None
        self._late: list[Line] = []
        """Notices that had to wait while a command was running."""
        self._asked: TerminalQuestion | None = None
        """The question whose answer is being typed."""
        self._is_settled = False
        """Whether that question was settled in the meantime."""
        self._lines = self._session(
            history=line_history.LineHistory(line_history.path(variables)),
            completer=ShellCompleter(self._live),
            suggests=True,
        )

    def run(self) -> int:
        """Run until the user leaves; the exit status is 0."""
        self._live.start()
        self._is_read.wait(FIRST_READ)
        self._greet()
        try:
            while True:
                try:
                    text = self.read(self._lines, INVITATION)
                except KeyboardInterrupt:
                    continue
                except EOFError:
                    break
                if not self._run_lines(text):
                    break
        finally:
            self._live.stop()
        self._farewell()
        return 0

    def read(self, session: PromptSession[str], invite: str | Callable[[], str]) -> str:
        """Read a line. Raises KeyboardInterrupt and EOFError."""
        # Raw, because notices contain escape sequences for their colours.
        with patch_stdout(raw=True):
            with self._lock:
                self._is_reading, self._current = True, session
                # What happened while a command was running.
                notices, self._late = [*self._news(self._live.now), *self._late], []
                if notices:
                    sys.stdout.write(self._out.text(notices))
            try:
                return session.prompt(lambda: [("class:invitation", invite if isinstance(invite, str) else invite())])
            finally:
                with self._lock:
                    self._is_reading = False

    @contextmanager
    def asks(self, question: TerminalQuestion) -> Generator[Callable[[], bool]]:
        """Watch the question while its answer is typed; yields a function that returns whether it was settled."""
        self._asked, self._is_settled = question, False
        try:
            yield lambda: self._is_settled
        finally:
            self._asked = None

    def asking_session(self, options: list[CompletionCandidate], *, is_secret: bool = False) -> PromptSession[str]:
        """An input session for an answer, which is not kept in the history."""
        completer = AnswerCompleter(options)
        return self._session(history=DummyHistory(), completer=completer, suggests=False, is_secret=is_secret)

    def _session(
        self, *, history: History, completer: Completer, suggests: bool, is_secret: bool = False
    ) -> PromptSession[str]:
        session: PromptSession[str] = PromptSession(
            history=history,
            completer=completer,
            is_password=is_secret,
            complete_while_typing=False,
            enable_suspend=True,
            enable_history_search=suggests,
            # Without colours a suggestion looks like typed text.
            auto_suggest=AutoSuggestFromHistory() if suggests and self._out.has_colour else None,
            bottom_toolbar=self._toolbar,
            style=Style.from_dict(toolbar.STYLES),
            color_depth=None if self._out.has_colour else ColorDepth.DEPTH_1_BIT,
        )
        return session

    def _toolbar(self) -> StyleAndTextTuples:
        return [*toolbar.fragments(self._live.now, self._parts, self._out.columns)]

    def _run_lines(self, text: str) -> bool:
        """Run the lines that were typed or pasted; False when the user leaves."""
        for one in text.split("\n"):
            try:
                words = tokenizer.split(one)
                if not words:
                    continue
                self._status = runner.run(
                    words,
                    out=self._out,
                    leading=self._leading,
                    asker=ShellAsker(self, self._out),
                    is_shell=True,
                )
            except Problem as problem:
                self._status = problem_output.show(as_typed(problem, None, is_shell=True))
            except KeyboardInterrupt:
                self._out.print(line())
                return True
            if self._status == LEAVE:
                return False
            self._live.wake()
            if self._status:
                # Pasted lines after one that failed were not meant to run without it.
                break
        return True

    # --- notices ---------------------------------------------------------------------------------------------------

    def _changed(self, before: Snapshot, now: Snapshot) -> None:
        """Called by the thread that reads the service."""
        del before
        settled = self._settled(now)
        with self._lock:
            if not self._is_read.is_set():
                # The greeting shows this state.
                self._announced = now
                self._is_read.set()
            current = self._current if self._is_reading else None
            if current is None:
                self._late += settled
                return
            if notices := [*self._news(now), *settled]:
                sys.stdout.write(self._out.text(notices))
                sys.stdout.flush()
        current.app.invalidate()

    def _news(self, now: Snapshot) -> list[Line]:
        notices = notifications.news(self._announced, now, self._parts, shown=self._shown)
        self._announced = now
        return notices

    def has_shown(self, subject: str) -> None:
        """A command has shown the subject: it is not announced."""
        with self._lock:
            self._shown.add(subject)

    def _settled(self, now: Snapshot) -> list[Line]:
        """The notice that the question whose answer is being typed was settled."""
        asked = self._asked
        if asked is None or self._is_settled or now.problem:
            return []
        try:
            with self._live.session() as session:
                notice = asked.settled(session)
        except Problem:
            # The next read will notice.
            return []
        if notice is None or asked is not self._asked:
            return []
        self._is_settled = True
        return [notice]

    def _greet(self) -> None:
        now = self._live.now
        self._out.print(
            line(
                (FTL2CTL.name, Role.STRONG),
                ": ",
                ("help", Role.ACCENT),
                " lists the commands, Tab completes, Ctrl-D quits",
            )
        )
        if now.problem is not None:
            why = [line((notifications.away(now), Role.BAD)), line(now.problem.message, indent=2)]
            self._out.print(why + ([line((now.problem.hint, Role.FAINT), indent=2)] if now.problem.hint else []))
        elif not now.is_read:
            self._out.print(line(("the service has not replied yet", Role.FAINT)))
        else:
            for name, part in self._parts.items():
                self._out.print(part.greeting(now.states[name]))

    def _farewell(self) -> None:
        back = line("return with ", (self._command(), Role.COMMAND))
        is_reachable = self._live.now.problem is None
        self._out.print(line("the service continues; ", *back.spans) if is_reachable else back)

    def _command(self) -> str:
        return f"{FTL2CTL.name} --socket {self._socket}" if self._socket else FTL2CTL.name


class ShellAsker:
    """Asks with the input line of the shell, so that completion, toolbar and notices stay."""

    def __init__(self, shell: Shell, out: Painter) -> None:
        self._shell = shell
        self._out = out

    def has_shown(self, subject: str) -> None:
        """The subject is not announced."""
        self._shell.has_shown(subject)

    def confirms(self, question: str) -> bool:
        """Whether the user confirms."""
        answer = self._read([CompletionCandidate("yes"), CompletionCandidate("no")], f"{question} [y/N] ")
        return (answer or "").strip().lower() in {"y", "yes"}

    def answer(self, question: TerminalQuestion) -> str | prompter.Silence:
        """A valid answer; none is accepted once the question is settled."""
        options = [CompletionCandidate(option, str(n)) for n, option in enumerate(question.options, start=1)]
        self.has_shown(question.subject)
        with self._shell.asks(question) as is_settled:
            invites = {False: f"  {question.invitation}: ", True: f"  {prompter.SETTLED}: "}

            def read() -> str | None:
                return self._read(options, lambda: invites[is_settled()], is_secret=question.is_secret)

            return prompter.until_valid(question, self._out, read, is_settled=is_settled)

    def _read(
        self, options: list[CompletionCandidate], invite: str | Callable[[], str], *, is_secret: bool = False
    ) -> str | None:
        session = self._shell.asking_session(options, is_secret=is_secret)
        prompter.forget_typed()
        # What was typed after an Enter was read with it.
        clear_typeahead(session.input)
        try:
            return self._shell.read(session, invite)
        except (EOFError, KeyboardInterrupt):
            return None


def run(out: Painter, *, leading: GivenValues, variables: Mapping[str, str]) -> int:
    """Run the shell; returns the exit status."""
    return Shell(out, leading, variables).run()
