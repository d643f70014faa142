"""Problems of the service in the user's terms: with commands for verbs, and this program for the other one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline import finder
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.protocol.verb import name_of

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.declaration import Command

OTHER_PROGRAM = "ftl2-enterprise"
_COMMAND = re.compile(rf"`{OTHER_PROGRAM} (?=([a-z-]+))")
"""The beginning of a command in a hint of the service, which names the other program."""

_WITHOUT_SOCKET = re.compile(rf"`{FTL2CTL.name} (?!--socket )")


def _own(found: re.Match[str]) -> str:
    """The name of this program instead of the other one, if it has the same command."""
    return f"`{FTL2CTL.name} " if found[1] in finder.names(FTL2CTL) else found[0]


def as_typed(
    problem: Problem, command: Command | None, *, is_shell: bool = False, socket: str | None = None
) -> Problem:
    """The same problem with the command's name for the verb's, and hints as they are typed here, with the socket."""
    message, hint = problem.message, problem.hint
    for verb in command.verbs if command is not None else ():
        if message.startswith(refused := f"cannot do {name_of(verb)}: "):
            assert command is not None
            message = f"cannot do {command.name}: {message.removeprefix(refused)}"
            break
    if hint:
        hint = _COMMAND.sub(_own, hint)
        if is_shell:
            hint = hint.replace(f"`{FTL2CTL.name} ", "`")
        elif socket:
            where = f"`{FTL2CTL.name} --socket {socket} "
            hint = _WITHOUT_SOCKET.sub(lambda _: where, hint)
    if command is not None and command.works_offline and problem.code is Code.UNAVAILABLE:
        offline = f"`{OTHER_PROGRAM} {command.name}` does the same without the service"
        hint = f"{offline}; {hint}" if hint else offline
    return (
        problem if (message, hint) == (problem.message, problem.hint) else Problem(problem.code, message, hint=hint)
    )
