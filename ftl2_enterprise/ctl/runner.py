"""Runs one command: finds it, parses its words, gives it a session, and shows its problem when it fails."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ftl2_enterprise import client
from ftl2_enterprise.commandline import finder, parsing, problem_output
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl.problem_text import as_typed
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.ctl.session import CtlSession
from ftl2_enterprise.render.colour import Painter, painter
from ftl2_enterprise.render.terminal import is_terminal
from ftl2_enterprise.render.text import Role, line

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.prompter import Asker


def run(
    words: list[str], *, out: Painter, leading: GivenValues, asker: Asker | None = None, is_shell: bool = False
) -> int:
    """Run the command; returns its exit status. `leading` has the options that were given before it."""
    wants_json = leading.has("json") or "--json" in words
    command, socket = None, leading.maybe("socket")
    try:
        command, rest = finder.find(FTL2CTL, words, in_shell=is_shell)
        given = parsing.parse(FTL2CTL, command, rest)
        if given.has("help"):
            from ftl2_enterprise.commandline import help_text  # noqa: PLC0415 - only for help
            from ftl2_enterprise.ctl import exit_statuses  # noqa: PLC0415

            statuses = exit_statuses.of(command)
            out.print(help_text.command_lines(FTL2CTL, command, statuses, is_shell=is_shell))
            return 0
        socket = given.maybe("socket") or socket
        session = CtlSession(
            out=out,
            socket=socket,
            wants_json=wants_json,
            asker=asker,
            is_shell=is_shell,
            within=given.maybe_float("timeout") or leading.maybe_float("timeout") or client.TIMEOUT,
            waits=None if wants_json or not is_terminal(sys.stderr) else _waits,
        )
        with session:
            return command.run(session, given)
    except Problem as problem:
        return problem_output.show(
            as_typed(problem, command, is_shell=is_shell, socket=socket), wants_json=wants_json
        )
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:
        return problem_output.show(as_typed(recorded(error), None, is_shell=is_shell), wants_json=wants_json)


def _waits(silent: float, within: float) -> None:
    """Report that the service is slow to reply."""
    text = f"the service has not answered for {silent:.0f} s; waiting up to {within:g} s (Ctrl-C quits)"
    painter(sys.stderr).print(line((text, Role.FAINT)))


def recorded(error: Exception) -> Problem:
    """An unexpected error as a Problem; the details of a defect are in a log file."""
    from pathlib import Path  # noqa: PLC0415 - only when something is wrong

    from ftl2_enterprise.ctl import user_dirs  # noqa: PLC0415
    from ftl2_enterprise.render import crash_report  # noqa: PLC0415

    if isinstance(error, OSError) and error.strerror:
        return Problem(Code.UNAVAILABLE, f"cannot continue: {error.strerror.lower()}")
    return crash_report.record(error, Path(user_dirs.own_dir(os.environ)))
