"""`clear`: clear the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.program import SHELL

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession

HOME_AND_ERASE = "\x1b[H\x1b[2J\x1b[3J"
"""Cursor home, then erase the display and the scrollback (ECMA-48 CUP and ED; xterm for 3)."""


def run(session: CtlSession, given: GivenValues) -> int:
    """Clear the screen, if there is one."""
    del given
    if session.out.is_terminal:
        session.out.stream.write(HOME_AND_ERASE)
        session.out.stream.flush()
    return 0


COMMAND = Command(
    summary="Clear the screen.",
    group=SHELL,
    run=run,
    in_shell_only=True,
    has_json=False,
    examples=(Example("clear"),),
)
