"""`help`: all commands, or one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl import registry
from ftl2_enterprise.ctl.registry import Argument, Command, Example, Group, Kind
from ftl2_enterprise.render.text import Role, line

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session


def run(session: Session, given: Given) -> int:
    """Show the help."""
    from ftl2_enterprise.ctl import help_text  # noqa: PLC0415 - not needed to do anything

    words = (given.maybe("command") or "").split()
    if not words:
        commands = registry.every_command(in_shell=session.is_shell)
        if session.wants_json:
            session.document(help_text.document(commands))
        else:
            session.print(help_text.overview(is_shell=session.is_shell))
        return 0
    # `help rules` is about the whole family.
    family = [one for one in registry.every_command() if one.name.split()[0] == words[0] and " " in one.name]
    if len(words) == 1 and family:
        if session.wants_json:
            session.document(help_text.document(family))
            return 0
        for n, command in enumerate(family):
            if n:
                session.print([line(), line(("-" * 20, Role.FAINT)), line()])
            session.print(help_text.command_lines(command, is_shell=session.is_shell))
        return 0
    command, rest = registry.find(words)
    if rest:
        raise registry.unknown(" ".join(words))
    if session.wants_json:
        session.document(help_text.document([command]))
        return 0
    session.print(help_text.command_lines(command, is_shell=session.is_shell))
    return 0


COMMANDS = (
    Command(
        name="help",
        summary="List the commands, or tell everything about one.",
        group=Group.SHELL,
        run=run,
        arguments=(Argument("command", Kind.COMMAND, optional=True, rest=True),),
        examples=(Example("help"), Example("help answer"), Example("help rules show")),
    ),
)
