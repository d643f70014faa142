"""`ftl2ctl`: one command, commands on standard input, or the shell."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline import parsing, problem_output, streams
from ftl2_enterprise.commandline.values import GivenValues
from ftl2_enterprise.core.problem import Problem, invalid, unavailable
from ftl2_enterprise.ctl import fast_path, runner
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.render.colour import Painter, painter
from ftl2_enterprise.render.terminal import is_terminal
from ftl2_enterprise.render.text import Role, line, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit status. No exception leaves it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    streams.open_closed_errors()
    if sys.stdout is None:
        return problem_output.show(unavailable("cannot print anything: the standard output is closed"))
    for stream in (sys.stdout, sys.stderr):
        streams.replace_unknown_letters(stream)
    try:
        status = _main(words)
        sys.stdout.flush()
    except (KeyboardInterrupt, Exception) as error:
        return ended_by(error)
    return status


def ended_by(error: BaseException) -> int:
    """The exit status of a program that an error ended, which is shown if there is something to show."""
    streams.open_closed_errors()
    match error:
        case KeyboardInterrupt():
            return fast_path.interrupted()
        case BrokenPipeError():
            return streams.reader_left()
        case Exception():
            return problem_output.show(runner.recorded(error))
        case _:
            raise error


def _main(words: list[str]) -> int:
    if words[:1] == ["__complete"]:
        from ftl2_enterprise.ctl.commands.shell import completion  # noqa: PLC0415 - for completion files only

        return completion.complete(words[1:], sys.stdout)
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            return problem_output.show(invalid(f"cannot understand {word!a}: it is not UTF-8 text"))
    out = painter(sys.stdout)
    if "--version" in words[:1]:
        words = ["version", "--client", *words[1:]]
    try:
        leading, rest = parsing.leading_options(FTL2CTL, words)
    except Problem as problem:
        return problem_output.show(problem, wants_json="--json" in words)
    if rest:
        return runner.run(rest, out=out, leading=leading)
    if leading.has("help"):
        return runner.run(["help"], out=out, leading=GivenValues())
    if is_terminal(sys.stdin) and is_terminal(sys.stdout):
        # prompt_toolkit takes longer to import than a command to run.
        from ftl2_enterprise.ctl.repl import session as repl_session  # noqa: PLC0415

        return repl_session.run(out, leading=leading, variables=os.environ)
    return _script(out, leading)


def _script(out: Painter, leading: GivenValues) -> int:
    """Run each line of standard input as a command; the first failure ends it, with its status."""
    from ftl2_enterprise.ctl import tokenizer  # noqa: PLC0415 - for scripts only

    for number, text in enumerate(sys.stdin, start=1):
        try:
            words = tokenizer.split(text)
        except Problem as problem:
            status = problem_output.show(problem, wants_json=leading.has("json"))
            _ended_at(number, text)
            return status
        if not words:
            continue
        if words[0] in {"exit", "quit"}:
            break
        status = runner.run(words, out=out, leading=leading)
        if status:
            _ended_at(number, text)
            return status
    return 0


def _ended_at(number: int, text: str) -> None:
    """Show which line of a script failed."""
    painter(sys.stderr).print(line((f"ended at line {number}: ", Role.FAINT), one_line(text)))
