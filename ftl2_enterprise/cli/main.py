"""`ftl2-enterprise`: runs one command, and turns every failure into a sentence and an exit status."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.cli import fault_request
from ftl2_enterprise.cli.program import FTL2_ENTERPRISE, statuses
from ftl2_enterprise.cli.session import CliSession
from ftl2_enterprise.commandline import finder, help_text, parsing, problem_output, streams
from ftl2_enterprise.core import interrupt
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.render import crash_report
from ftl2_enterprise.render.colour import painter
from ftl2_enterprise.render.exit_status import Exit
from ftl2_enterprise.render.text import Role, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.commandline.values import GivenValues


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit status. No exception leaves it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        streams.replace_unknown_letters(stream)
    session = CliSession()
    try:
        status = _run(session, words)
        sys.stdout.flush()
    except BrokenPipeError:
        return streams.reader_left()
    except KeyboardInterrupt:
        return _stopped(session)
    except Problem as problem:
        return _fail(session, problem)
    except Exception as error:
        if interrupt.is_cause_of(error):
            return _stopped(session)
        return _fail(session, crash_report.record(error, _state_dir(session)))
    return int(status)


def _run(session: CliSession, words: list[str]) -> int:
    leading, rest = parsing.leading_options(FTL2_ENTERPRISE, words)
    if leading.has("version"):
        return _version(session)
    if leading.has("help") or not rest:
        session.out.print(help_text.overview(FTL2_ENTERPRISE, statuses(), is_shell=False))
        return 0
    _use(session, leading, leading)
    command, after = finder.find(FTL2_ENTERPRISE, rest)
    # Before anything can fail, so that a problem is printed as JSON, too.
    session.wants_json = "--json" in after and any(option.name == "json" for option in command.options)
    given = parsing.parse(FTL2_ENTERPRISE, command, after)
    if given.has("version"):
        return _version(session)
    if given.has("help"):
        session.out.print(help_text.command_lines(FTL2_ENTERPRISE, command, is_shell=False))
        return 0
    _use(session, leading, given)
    fault_request.check(os.environ)
    return command.run(session, given)


def _use(session: CliSession, leading: GivenValues, given: GivenValues) -> None:
    session.db = given.maybe("db") or leading.maybe("db")
    config = given.maybe("config") or leading.maybe("config")
    session.config = None if config is None else Path(config)


def _version(session: CliSession) -> int:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and only for this

    name = FTL2_ENTERPRISE.name
    try:
        session.out.print(line(f"{name} {version(name)}"))
    except PackageNotFoundError:
        session.out.print(line(f"{name} (not installed as a package)"))
    return 0


def _state_dir(session: CliSession) -> Path | None:
    try:
        return Path(session.settings.store.path).parent
    except Problem:
        return None


def _stopped(session: CliSession) -> int:
    try:
        if session.wants_json:
            session.document({"error": {"message": "stopped", "hint": None}, "exit_status": int(Exit.STOPPED)})
            sys.stdout.flush()
        painter(sys.stderr).print(line(("stopped", Role.BAD)))
    except BrokenPipeError:
        return streams.reader_left()
    return Exit.STOPPED


def _fail(session: CliSession, problem: Problem) -> int:
    try:
        return problem_output.show(_callable(session, problem), wants_json=session.wants_json)
    except BrokenPipeError:
        return streams.reader_left()


def _callable(session: CliSession, problem: Problem) -> Problem:
    """The problem with hints that work as they are shown: with a path to this program and the same database."""
    if not problem.hint:
        return problem
    try:
        program = session.program
    except Problem:
        return problem
    hint = problem.hint.replace(f"`{FTL2_ENTERPRISE.name} ", f"`{shlex.join(program)} ")
    return Problem(problem.code, problem.message, hint=hint)
