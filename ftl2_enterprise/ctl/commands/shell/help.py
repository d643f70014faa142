"""`help`: all commands, or one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import COMMAND_NAME, Argument, Command, Example
from ftl2_enterprise.ctl.program import FTL2CTL, SHELL

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Show the help."""
    from ftl2_enterprise.commandline import help_text  # noqa: PLC0415 - imports what only the help needs
    from ftl2_enterprise.ctl import exit_statuses  # noqa: PLC0415
    from ftl2_enterprise.render.text import Role, line  # noqa: PLC0415

    words = (given.maybe("command") or "").split()
    found = help_text.commands_of(FTL2CTL, words, in_shell=session.is_shell)
    if session.wants_json:
        session.document(help_text.document(FTL2CTL, found))
    elif not words:
        session.print(help_text.overview(FTL2CTL, is_shell=session.is_shell))
    else:
        for n, command in enumerate(found):
            if n:
                session.print([line(), line(("-" * 20, Role.FAINT)), line()])
            statuses = exit_statuses.of(command)
            session.print(help_text.command_lines(FTL2CTL, command, statuses, is_shell=session.is_shell))
    return 0


COMMAND = Command(
    summary="List the commands, or show the help of one.",
    group=SHELL,
    run=run,
    arguments=(Argument("command", COMMAND_NAME, optional=True, rest=True),),
    examples=(Example("help"), Example("help events")),
)
