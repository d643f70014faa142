"""The reference page of a program in Markdown, from the declarations of its commands."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline import help_text
from ftl2_enterprise.commandline.finder import every_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.commandline.declaration import Command, Option, Program


def page(program: Program, head: str, statuses: str) -> str:
    """The page: a head, the options of every command, exit statuses, then each command by group."""
    parts = [head, "## Options of every command\n", table(("option", "meaning"), _option_rows(program.options))]
    parts += ["## Exit status\n", statuses]
    for group, members in groupby(every_command(program), key=lambda one: one.group):
        parts.append(f"## {group.title}\n")
        parts += [_section(program, command) for command in members]
    return "\n".join(parts).rstrip("\n") + "\n"


def _section(program: Program, command: Command) -> str:
    lines = [f"### {command.name}", "", f"    {command.usage}", "", command.summary]
    if command.details:
        lines += ["", command.details]
    if command.aliases:
        lines += ["", f"Also called: {', '.join(f'`{alias}`' for alias in command.aliases)}."]
    if command.in_shell_only:
        lines += ["", "In the shell only."]
    arguments = [(f"`{argument.shown}`", argument.help) for argument in command.arguments if argument.help]
    options = [*arguments, *_option_rows(command.options)]
    if options:
        lines += ["", table(("argument, option", "meaning"), options).rstrip("\n")]
    if command.statuses:
        lines += ["", *(f"Status {text}." for text in command.statuses)]
    prefix = "" if command.in_shell_only else f"{program.name} "
    if command.examples:
        widest = max(len(example.words) for example in command.examples) + 2
        lines += ["", "```", *(example_line(prefix, one.words, one.help, widest) for one in command.examples), "```"]
    return "\n".join([*lines, ""])


def example_line(prefix: str, words: str, help: str, widest: int) -> str:
    """A command line with its explanation as a comment."""
    return f"{prefix}{words:<{widest}}{f'# {help}' if help else ''}".rstrip()


def _option_rows(options: Sequence[Option]) -> list[tuple[str, str]]:
    return [(f"`{option.shown}`", help_text.about(option)) for option in options]


def table(titles: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    """A table with two columns."""
    cells = [f"| {name.replace('|', '\\|')} | {meaning.strip().replace('|', '\\|')} |" for name, meaning in rows]
    return "\n".join([f"| {titles[0]} | {titles[1]} |", "|---|---|", *cells]) + "\n"
