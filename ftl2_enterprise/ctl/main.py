"""`ftl2ctl`: one command, a file of commands on standard input, or the shell."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Code, Problem, invalid, unavailable
from ftl2_enterprise.ctl import fast_path, parsing, registry
from ftl2_enterprise.ctl.problem_output import as_typed, failed
from ftl2_enterprise.ctl.session import Session
from ftl2_enterprise.render.colour import Painter, painter
from ftl2_enterprise.render.text import Role, line, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TextIO

    from ftl2_enterprise.ctl.prompter import Asker

BROKEN_PIPE = 141
"""As a shell tells the end by this signal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit status. Nothing but a status and clear sentences leaves here."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _have_errors()
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        return failed(unavailable("cannot print anything: the standard output is closed"))
    for stream in (sys.stdout, sys.stderr):
        _tolerate(stream)
    try:
        status = _main(words)
        sys.stdout.flush()
    except (KeyboardInterrupt, Exception) as error:
        return ended_by(error)
    return status


def ended_by(error: BaseException) -> int:
    """The exit status of a program that an error has ended; it is told what it is, if there is something to tell."""
    _have_errors()
    match error:
        case KeyboardInterrupt():
            return fast_path.interrupted()
        case BrokenPipeError():
            return _reader_left()
        case Exception():
            return failed(_recorded(error))
        case _:
            raise error


def _main(words: list[str]) -> int:
    if words[:1] == ["__complete"]:
        from ftl2_enterprise.ctl.commands import completion  # noqa: PLC0415

        return completion.complete(words[1:], sys.stdout)
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            return failed(invalid(f"cannot understand {word!a}: it is not UTF-8 text"))
    out = painter(sys.stdout)
    if "--version" in words[:1]:
        words = ["version", "--client", *words[1:]]
    try:
        before, rest = parsing.global_flags(words)
    except Problem as problem:
        return failed(problem, wants_json="--json" in words)
    if rest:
        return run(rest, out=out, flags=before)
    if before.get("help"):
        return run(["help"], out=out, flags={})
    if _is_terminal(sys.stdin) and _is_terminal(sys.stdout):
        # prompt_toolkit takes longer to import than a command to run.
        from ftl2_enterprise.ctl.repl import session as repl_session  # noqa: PLC0415

        return repl_session.run(out, flags=before, variables=os.environ)
    return _script(out, before)


def run(
    words: list[str],
    *,
    out: Painter,
    flags: dict[str, Any],
    asker: Asker | None = None,
    is_shell: bool = False,
) -> int:
    """Run one command, and show its problem when it fails; the exit status."""
    wants_json = bool(flags.get("json")) or "--json" in words
    command = None
    try:
        command, rest = registry.find(words, in_shell=is_shell)
        given = parsing.parse(command, rest)
        if given.has("help"):
            from ftl2_enterprise.ctl import help_text  # noqa: PLC0415 - not needed to do anything

            out.print(help_text.command_lines(command, is_shell=is_shell))
            return 0
        socket = given.maybe("socket") or flags.get("socket")
        session = Session(
            out=out,
            socket=socket,
            wants_json=wants_json,
            asker=asker,
            is_shell=is_shell,
            within=given.maybe_float("timeout") or flags.get("timeout") or client.TIMEOUT,
            waits=None if wants_json or not _is_terminal(sys.stderr) else _waits,
        )
        with session:
            return command.run(session, given)
    except Problem as problem:
        return failed(as_typed(problem, command), wants_json=wants_json, is_shell=is_shell)
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:
        return failed(_recorded(error), wants_json=wants_json, is_shell=is_shell)


def _waits(silent: float, within: float) -> None:
    """Say that it is the service that takes so long."""
    told = f"the service has not answered for {silent:.0f} s; waiting up to {within:g} s (Ctrl-C leaves)"
    painter(sys.stderr).print(line((told, Role.FAINT)))


def _script(out: Painter, flags: dict[str, Any]) -> int:
    """Each line of standard input is a command; the first one that fails ends it, with its status."""
    from ftl2_enterprise.ctl import tokenizer  # noqa: PLC0415

    for number, text in enumerate(sys.stdin, start=1):
        try:
            words = tokenizer.split(text)
        except Problem as problem:
            status = failed(problem, wants_json=bool(flags.get("json")))
            _ended_at(number, text)
            return status
        if not words:
            continue
        if words[0] in {"exit", "quit"}:
            break
        status = run(words, out=out, flags=flags)
        if status:
            _ended_at(number, text)
            return status
    return 0


def _ended_at(number: int, text: str) -> None:
    """Say which line of a file was the last."""
    painter(sys.stderr).print(line((f"ended at line {number}: ", Role.FAINT), one_line(text)))


def _recorded(error: Exception) -> Problem:
    from pathlib import Path  # noqa: PLC0415 - only when something is wrong

    from ftl2_enterprise.ctl import user_dirs  # noqa: PLC0415
    from ftl2_enterprise.render import crash_report  # noqa: PLC0415

    if isinstance(error, OSError) and error.strerror:
        return Problem(Code.UNAVAILABLE, f"cannot go on: {error.strerror.lower()}")
    return crash_report.record(error, Path(user_dirs.own_dir(os.environ)))


def _is_terminal(stream: TextIO | None) -> bool:
    # A program may be started with its streams closed.
    return stream is not None and stream.isatty()


def _tolerate(stream: TextIO | None) -> None:
    """A terminal that cannot show a letter shows another one; it is no reason to fail."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _have_errors() -> None:
    """A program may be started with its streams closed; what is told is lost then, and nothing else."""
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - it ends with the program


def _reader_left() -> int:
    # Whatever is still buffered has no reader; without this the interpreter complains when it flushes at the end.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    return BROKEN_PIPE
