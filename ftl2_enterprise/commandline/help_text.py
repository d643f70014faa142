"""The help of a program and of its commands, from their declarations."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.commandline.finder import every_command, find, unknown
from ftl2_enterprise.render.text import Line, Role, Span, columns, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl2_enterprise.commandline.declaration import Command, Option, Program

LONGEST_USAGE = 34
"""Column at which summaries begin, except those of commands with a longer usage line."""


def overview(program: Program, statuses: Iterable[tuple[str, str]] = (), *, is_shell: bool) -> list[Line]:
    """All commands by group; then exit statuses, if any, as pairs of number and meaning."""
    lines = [line((program.purpose, Role.STRONG)), line()]
    if not is_shell:
        usage = f"{program.name} COMMAND [ARGUMENT...] [OPTION...]"
        lines.append(line(f"usage: {usage}"))
        if program.has_shell:
            alone = program.name.ljust(len(usage) + 2)
            lines.append(line(f"       {alone}starts the shell, or runs the commands on standard input"))
        lines.append(line())
    commands = every_command(program, in_shell=is_shell)
    widest = max(len(_usage(command)) for command in commands if len(_usage(command)) <= LONGEST_USAGE)
    for group, members in groupby(commands, key=lambda one: one.group):
        lines.append(line((group.title, Role.STRONG)))
        for command in members:
            lines.append(
                line((f"{_usage(command):<{widest}}  ", Role.ACCENT), command.summary, indent=2, hang=widest + 2)
            )
        lines.append(line())
    if not program.has_shell:
        # A program with a shell lists them with each command: they are the same.
        lines += [
            *_section("Options of every command", [(option.shown, about(option)) for option in program.options])[1:],
            line(),
        ]
    if rows := list(statuses):
        lines += [*_section("Exit status", rows)[1:], line()]
    example = f"help {commands[0].name}"
    words = example if is_shell else f"{program.name} {example}"
    lines.append(line("Help for a command: ", (words, Role.COMMAND)))
    return lines


def _usage(command: Command) -> str:
    return command.usage.removesuffix(" [OPTION...]")


def command_lines(
    program: Program, command: Command, statuses: Iterable[tuple[str, str]] = (), *, is_shell: bool
) -> list[Line]:
    """The help of one command; `statuses` are those that other commands share with it."""
    prefix = "" if is_shell else f"{program.name} "
    lines = [line("usage: ", (f"{prefix}{command.usage}", Role.STRONG)), line(), line(command.summary)]
    lines += [line(part) for part in command.details.split("\n\n") if part]
    if command.aliases:
        lines.append(line(("also called: ", Role.FAINT), ", ".join(command.aliases)))
    arguments = [(argument.shown, argument.help) for argument in command.arguments if argument.help]
    lines += _section("Arguments", arguments)
    lines += _section("Options", [(option.shown, about(option)) for option in options_of(program, command)])
    if command.examples:
        lines += [line(), line(("Examples", Role.STRONG))]
        rows = [
            (Span(f"{prefix}{example.words}", Role.ACCENT), Span(example.help, Role.FAINT))
            for example in command.examples
        ]
        lines += columns(rows, indent=2)
    lines += _section("Exit status", [*(parted(text) for text in command.statuses), *statuses])
    return lines


def commands_of(program: Program, words: list[str], *, in_shell: bool) -> list[Command]:
    """The commands that help is requested for: one, a family (`config`), or all when there are no words.

    Raises Problem(invalid) when there is none of that name.
    """
    commands = every_command(program, in_shell=in_shell)
    if not words:
        return commands
    family = [one for one in every_command(program) if one.name.startswith(f"{words[0]} ")]
    if len(words) == 1 and family:
        return family
    command, rest = find(program, words)
    if rest:
        raise unknown(program, " ".join(words))
    return [command]


def document(program: Program, commands: Iterable[Command]) -> dict[str, Any]:
    """The commands for programs."""
    return {"commands": [_command_document(program, command) for command in commands]}


def _command_document(program: Program, command: Command) -> dict[str, Any]:
    return {
        "name": command.name,
        "aliases": list(command.aliases),
        "group": command.group.title,
        "usage": command.usage,
        "summary": command.summary,
        "details": command.details,
        "arguments": [
            {
                "name": argument.name,
                "help": argument.help,
                "optional": argument.optional,
                "rest": argument.rest,
                "many": argument.many,
                "choices": list(argument.choices),
            }
            for argument in command.arguments
        ],
        "flags": [
            {
                "option": option.long,
                "short": f"-{option.short}" if option.short else None,
                "help": option.help,
                "value": option.metavar if option.kind else None,
                "choices": list(option.choices),
                "many": option.many,
                "default": option.default or None,
            }
            for option in options_of(program, command)
        ],
        "examples": [{"command": f"{program.name} {one.words}", "help": one.help} for one in command.examples],
    }


def _section(title: str, rows: Sequence[tuple[str, str]]) -> list[Line]:
    if not rows:
        return []
    spans = [(Span(name, Role.ACCENT), Span(meaning)) for name, meaning in rows]
    return [line(), line((title, Role.STRONG)), *columns(spans, indent=2)]


def parted(status: str) -> tuple[str, str]:
    """Number and meaning of `NUMBER: meaning`."""
    number, _, meaning = status.partition(": ")
    return number, meaning


def options_of(program: Program, command: Command) -> Iterable[Option]:
    """Its own options, then those of every command."""
    return (*command.options, *(option for option in program.options if option.name != "json" or command.has_json))


def about(option: Option) -> str:
    """The description of an option: its help, choices and default."""
    many = " May be repeated." if option.many else ""
    default = f"  [default: {option.default}]" if option.default else ""
    choices = f" One of: {', '.join(option.choices)}." if option.choices and option.value else ""
    return f"{option.help}{choices}{many}{default}"
