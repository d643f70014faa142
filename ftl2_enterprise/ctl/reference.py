"""The reference page of `ftl2ctl`, from the registry."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from ftl2_enterprise.core.paths import SOCKET_VARIABLES
from ftl2_enterprise.ctl import help_text
from ftl2_enterprise.ctl.registry import GLOBAL_FLAGS, PROGRAM, every_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.ctl.registry import Command, Flag

_HEAD = f"""\
# {PROGRAM}

{help_text.PURPOSE}

    {PROGRAM} COMMAND [ARGUMENT...] [OPTION...]    one command
    {PROGRAM}                                      the shell, on a terminal
    {PROGRAM} < FILE                               each line is a command; the first one that fails ends it

`LOOP` is a name, the beginning of one that no other has, or an id. Times are shown as how long ago; JSON has them in
ISO 8601 and UTC. Colours and symbols are for terminals, and `NO_COLOR` switches the colours off.

The service is looked for where `--socket` says, else `{SOCKET_VARIABLES[0]}`, else `{SOCKET_VARIABLES[1]}`, else at
`/run/ftl2-enterprise/control.sock`, else where this user's own service listens.
"""


def document() -> str:
    """The page."""
    parts = [_HEAD, "## Options of every command\n", _table(("option", "meaning"), _flags(GLOBAL_FLAGS))]
    parts += [
        "## Exit status\n",
        _table(("status", "meaning"), [_parted(text) for text in help_text.common_statuses()]),
    ]
    told = [_parted(text) for text in help_text.how_a_loop_stands()]
    parts += [
        "Commands that wait for a loop (`--wait`, `watch`) also tell how it stands:\n",
        _table(("status", "meaning"), told),
    ]
    for group, members in groupby(every_command(), key=lambda one: one.group):
        parts.append(f"## {group}\n")
        parts += [_section(command) for command in members]
    return "\n".join(parts).rstrip("\n") + "\n"


def _section(command: Command) -> str:
    lines = [f"### {command.name}", "", f"    {command.usage}", "", command.summary]
    if command.details:
        lines += ["", command.details]
    if command.aliases:
        lines += ["", f"Also called: {', '.join(f'`{alias}`' for alias in command.aliases)}."]
    if command.in_shell_only:
        lines += ["", "In the shell only."]
    arguments = [(f"`{argument.shown}`", argument.help) for argument in command.arguments if argument.help]
    options = [*arguments, *_flags(command.flags)]
    if options:
        lines += ["", _table(("argument, option", "meaning"), options).rstrip("\n")]
    if command.statuses:
        lines += ["", *(f"Status {text}." for text in command.statuses)]
    program = "" if command.in_shell_only else f"{PROGRAM} "
    widest = max(len(example.words) for example in command.examples) + 2
    lines += [
        "",
        "```",
        *(
            f"{program}{example.words:<{widest}}{f'# {example.help}' if example.help else ''}".rstrip()
            for example in command.examples
        ),
        "```",
        "",
    ]
    return "\n".join(lines)


def _flags(flags: Sequence[Flag]) -> list[tuple[str, str]]:
    return [(f"`{flag.shown}`", help_text.about(flag)) for flag in flags]


def _parted(text: str) -> tuple[str, str]:
    number, _, meaning = text.partition(": ")
    return number, meaning


def _table(titles: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    told = [f"| {name.replace('|', '\\|')} | {meaning.strip().replace('|', '\\|')} |" for name, meaning in rows]
    return "\n".join([f"| {titles[0]} | {titles[1]} |", "|---|---|", *told]) + "\n"
