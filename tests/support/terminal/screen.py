"""A program on its own terminal: what a user types, and the screen as it is seen."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pexpect
import pyte

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

INVITE = "ftl2ctl>"
"""What the shell of `ftl2ctl` begins a line with."""


class _Screen(pyte.Screen):
    """Answers what programs ask of a terminal, as real ones do."""

    answer: Callable[[str], object]

    def write_process_input(self, data: str) -> None:
        self.answer(data)


class Screen:
    """Starts the program; every wait has a limit."""

    def __init__(
        self, argv: list[str], *, columns: int = 100, rows: int = 30, environment: Mapping[str, str] | None = None
    ) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("FTL2", "NO_COLOR"))}
        env = kept | {"TERM": "xterm-256color", "LANG": "C.UTF-8", **(environment or {})}
        self._screen = _Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self.raw = ""
        spawn: Any = pexpect.spawn
        self._child: Any = spawn(
            argv[0], argv[1:], env=env, encoding="utf-8", dimensions=(rows, columns), timeout=60, echo=True
        )
        self._child.delaybeforesend = None
        self._screen.answer = self._child.send

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *error: object) -> None:
        self._child.close(force=True)

    # --- reading ---------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The screen, without blanks at the ends."""
        return "\n".join(row.rstrip() for row in _rows(self._screen)).strip("\n")

    def wait(self, condition: Callable[[str], bool], *, seconds: float = 30.0, what: str = "") -> str:
        """The screen once it is as wanted."""
        deadline = time.monotonic() + seconds
        while not condition(self.text):
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{self.text}"
            self._pump()
        return self.text

    def see(self, *texts: str, seconds: float = 30.0) -> str:
        """The screen once all of the texts are on it."""
        return self.wait(lambda text: all(one in text for one in texts), seconds=seconds, what=f"see {texts}")

    def lose(self, unwanted: str, *, seconds: float = 30.0) -> str:
        """The screen once the text is not on it any more."""
        return self.wait(lambda text: unwanted not in text, seconds=seconds, what=f"lose {unwanted!r}")

    def _pump(self) -> bool:
        try:
            data: str = self._child.read_nonblocking(65536, timeout=0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True

    # --- doing -----------------------------------------------------------------------------------------------------

    def type(self, text: str) -> None:
        """Type it."""
        self._child.send(text)

    def enter(self, text: str = "") -> None:
        """Type it, and Enter."""
        self.type(f"{text}\r")

    def end(self, *, seconds: float = 30.0) -> int:
        """The status, once the program has ended."""
        deadline = time.monotonic() + seconds
        while self._pump():
            assert time.monotonic() < deadline, f"it has not ended within {seconds} s\n{self.text}"
        self._child.close()
        assert self._child.exitstatus is not None, self.text
        return int(self._child.exitstatus)


def _rows(screen: pyte.Screen) -> list[str]:
    # A wide letter takes two places, of which the second one is empty.
    return ["".join(screen.buffer[y][x].data for x in range(screen.columns)) for y in range(screen.lines)]


def ctl(*words: str) -> list[str]:
    """How `ftl2ctl` is run."""
    return [sys.executable, "-m", "ftl2_enterprise.entrypoints.ftl2ctl", *words]


def shell(socket: str | Path, home: Path, *words: str, columns: int = 100, **environment: str) -> Screen:
    """`ftl2ctl` on its own terminal, without words its shell."""
    own = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    return Screen(ctl("--socket", str(socket), *words), columns=columns, environment=own | environment)


def invited(screen: Screen, times: int) -> None:
    """Wait until so many lines have been asked for; what is typed before is not read as from a person's keys."""
    screen.wait(lambda text: text.count(INVITE) == times, what=f"be asked for {times} lines")
