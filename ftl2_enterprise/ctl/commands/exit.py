"""What only the shell has: `clear` and `exit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.registry import Command, Example, Group

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session

LEAVE = -1
"""Instead of an exit status: the shell is to end."""


def clear(session: Session, given: Given) -> int:
    """Empty the terminal."""
    del given
    if session.out.is_terminal:
        session.out.stream.write("\x1b[H\x1b[2J\x1b[3J")
        session.out.stream.flush()
    return 0


def leave(session: Session, given: Given) -> int:
    """End the shell."""
    del session, given
    return LEAVE


COMMANDS = (
    Command(
        name="clear",
        summary="Empty the terminal.",
        group=Group.SHELL,
        run=clear,
        in_shell_only=True,
        has_json=False,
        examples=(Example("clear"),),
    ),
    Command(
        name="exit",
        aliases=("quit",),
        summary="Leave the shell, as Ctrl-D does; the loops go on.",
        group=Group.SHELL,
        run=leave,
        in_shell_only=True,
        has_json=False,
        examples=(Example("exit"),),
    ),
)
