"""`help`: all commands, or one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.cli.program import FTL2_ENTERPRISE, PROGRAM_ITSELF, statuses
from ftl2_enterprise.commandline import help_text
from ftl2_enterprise.commandline.declaration import COMMAND_NAME, Argument, Command, Example

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """Show the help."""
    words = (given.maybe("command") or "").split()
    if not words:
        session.out.print(help_text.overview(FTL2_ENTERPRISE, statuses(), is_shell=False))
        return 0
    for command in help_text.commands_of(FTL2_ENTERPRISE, words, in_shell=False):
        session.out.print(help_text.command_lines(FTL2_ENTERPRISE, command, is_shell=False))
    return 0


COMMAND = Command(
    summary="List the commands, or show the help of one.",
    group=PROGRAM_ITSELF,
    run=run,
    arguments=(Argument("command", COMMAND_NAME, optional=True, rest=True),),
    examples=(Example("help"), Example("help run")),
)
