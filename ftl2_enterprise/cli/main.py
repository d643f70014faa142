"""The command line: finds the command, turns every way to fail into one sentence and a status."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, override

import click

from ftl2_enterprise.cli.session import PROGRAM, Session
from ftl2_enterprise.core import interrupt
from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.render import crash_report, exit_status, json_output
from ftl2_enterprise.render.colour import painter
from ftl2_enterprise.render.exit_status import Exit
from ftl2_enterprise.render.text import Piece, Role, clean, line

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, str] = {
    "run": "run",
    "supervise": "supervise",
    "submit": "submit",
    "status": "status",
    "history": "history",
    "prompts": "prompts",
    "respond": "respond",
    "tour": "tour",
    "init-db": "init_db",
    "config": "config",
    "worker": "worker",
}
"""Command to module, in the order of --help."""
ALIASES = {"answer": "respond"}
"""Names that `ftl2ctl` has for the same."""
BROKEN_PIPE = 141
"""What a shell reports for a program that SIGPIPE ended."""


class Commands(click.Group):
    """Imports a command when it is called: `status` must not pay for what `run` needs."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if module is None:
            return None
        with interrupt.Fatal():
            return importlib.import_module(f"ftl2_enterprise.cli.commands.{module}").command

    @override
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        with formatter.section("Exit statuses"):
            formatter.write_dl([(str(status.value), meaning) for status, meaning in exit_status.MEANINGS.items()])


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's way
    if value and not ctx.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and rarely wanted

        try:
            click.echo(f"{PROGRAM} {version(PROGRAM)}")
        except PackageNotFoundError:
            click.echo(f"{PROGRAM} (not installed as a package)")
        ctx.exit()


@click.group(cls=Commands, name=PROGRAM, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--db", metavar="PATH", help="The database; by default that of the settings (see `config show`).")
@click.option(
    "--config", metavar="FILE", type=click.Path(path_type=Path), help="Read these settings instead of those in /etc."
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
@click.pass_obj
def group(session: Session, db: str | None, config: Path | None) -> None:
    """Keep infrastructure in its desired state: observe, decide, act, record, until it is as it should be."""
    session.db = db
    session.config = config


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Nothing but a status and clear sentences leaves here."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _tolerate(sys.stdout)
    _tolerate(sys.stderr)
    session = Session()
    try:
        status = group.main(args=words or ["--help"], prog_name=PROGRAM, obj=session, standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # click turns a broken pipe into the latter, and nothing else.
        return _reader_left()
    except (KeyboardInterrupt, click.Abort):
        return _fail(session, "stopped", None, Exit.STOPPED)
    except click.ClickException as error:
        problem = _usage(error)
        return _fail(session, problem.message, problem.hint, Exit.USAGE)
    except Problem as problem:
        return _fail(session, problem.message, problem.hint, problem.exit_status)
    except Exception as error:
        if interrupt.is_cause_of(error):
            return _fail(session, "stopped", None, Exit.STOPPED)
        problem = crash_report.record(error, _state_dir(session))
        return _fail(session, problem.message, problem.hint, problem.exit_status)
    return int(status or 0)


def _tolerate(stream: TextIO) -> None:
    """A terminal that cannot show a letter shows another one; it is no reason to fail."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _state_dir(session: Session) -> Path | None:
    try:
        return Path(session.settings.store.path).parent
    except Problem:
        return None


def _usage(error: click.ClickException) -> Problem:
    """What click says, as our sentence."""
    said = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else PROGRAM
    first = said[:1].lower() + said[1:]
    return invalid(f"cannot understand the command line: {first}", f"see `{path} --help`")


def _callable(session: Session, hint: str) -> str:
    """The hint with this program called so that it is found, and finds the same database."""
    try:
        program = session.program
    except Problem:
        return hint
    return hint.replace(f"`{PROGRAM} ", f"`{shlex.join(program)} ")


def _commands(hint: str) -> list[Piece]:
    return [
        (piece, Role.COMMAND) if piece.startswith("`") else piece for piece in re.split("(`[^`]+`)", hint) if piece
    ]


def _fail(session: Session, message: str, hint: str | None, status: int) -> int:
    out = painter(sys.stderr)
    hint = _callable(session, hint) if hint else hint
    try:
        if session.wants_json:
            failure = {"error": {"message": message, "hint": hint}, "exit_status": int(status)}
            sys.stdout.write(json_output.text(failure) + "\n")
            sys.stdout.flush()
        label = "stopped" if message == "stopped" else "error: "
        out.print(line((label, Role.BAD), "" if message == "stopped" else clean(message)))
        if hint:
            out.print(line(("hint: ", Role.ACCENT), *_commands(clean(hint))))
    except BrokenPipeError:
        return _reader_left()
    return int(status)


def _reader_left() -> int:
    # Whatever is still buffered has no reader; without this the interpreter complains when it flushes at the end.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    return BROKEN_PIPE
