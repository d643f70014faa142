"""The help, from the registry."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.problem import EXIT_STATUS, Code
from ftl2_enterprise.ctl.registry import GLOBAL_FLAGS, PROGRAM, Command, Flag, every_command
from ftl2_enterprise.render.exit_status import MEANINGS, Exit
from ftl2_enterprise.render.text import Line, Role, Span, columns, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PURPOSE = "Steer the ftl2-enterprise service: submit desired states, watch loops, answer what they ask."

CODES: dict[Code, str] = {
    Code.INVALID: "wrong usage or bad input; nothing was changed",
    Code.NOT_FOUND: "there is no such loop, prompt, rule or text",
    Code.CONFLICT: "not possible as things stand: the loop has ended, the name is taken, the prompt is settled",
    Code.DENIED: "this user may not do that",
    Code.UNAVAILABLE: "the service cannot be reached, or cannot work now; try again later",
    Code.INTERNAL: "internal error; the log of the service, or the file that is named, has the details",
}


def overview(*, is_shell: bool) -> list[Line]:
    """All commands by group."""
    lines = [line((PURPOSE, Role.STRONG)), line()]
    if not is_shell:
        usage = f"usage: {PROGRAM} COMMAND [ARGUMENT...] [OPTION...]"
        alone = f"       {PROGRAM}                  the shell; with commands on standard input, runs them"
        lines += [line(usage), line(alone), line()]
    commands = every_command(in_shell=is_shell)
    widest = max(len(command.usage) for command in commands if len(command.usage) <= WIDE)
    for group, members in groupby(commands, key=lambda one: one.group):
        lines.append(line((str(group), Role.STRONG)))
        for command in members:
            lines += _listed(command, widest)
        lines.append(line())
    example = "help answer" if is_shell else f"{PROGRAM} help answer"
    lines.append(line("More on each: ", (example, Role.COMMAND)))
    return lines


WIDE = 34


def _listed(command: Command, widest: int) -> list[Line]:
    usage = command.usage.removesuffix(" [OPTION...]")
    return [line((f"{usage:<{widest}}  ", Role.ACCENT), command.summary, indent=2, hang=widest + 2)]


def command_lines(command: Command, *, is_shell: bool) -> list[Line]:
    """Everything about one command."""
    prefix = "" if is_shell else f"{PROGRAM} "
    lines = [line("usage: ", (f"{prefix}{command.usage}", Role.STRONG)), line(), line(command.summary)]
    if command.details:
        lines.append(line(command.details))
    if command.aliases:
        lines.append(line(("also called: ", Role.FAINT), ", ".join(command.aliases)))
    told = [(argument.shown, argument.help) for argument in command.arguments if argument.help]
    lines += _section("Arguments", told)
    lines += _section("Options", [(flag.shown, about(flag)) for flag in flags_of(command)])
    if command.examples:
        lines += [line(), line(("Examples", Role.STRONG))]
        rows = [
            (Span(f"{prefix}{example.words}", Role.ACCENT), Span(example.help, Role.FAINT))
            for example in command.examples
        ]
        lines += columns(rows, indent=2)
    lines += _section("Exit status", [_parted(text) for text in statuses_of(command)])
    return lines


def document(commands: Iterable[Command]) -> dict[str, Any]:
    """The commands for programs."""
    return {"commands": [_command_document(command) for command in commands]}


def _command_document(command: Command) -> dict[str, Any]:
    return {
        "name": command.name,
        "aliases": list(command.aliases),
        "group": str(command.group),
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
                "option": flag.option,
                "short": f"-{flag.short}" if flag.short else None,
                "help": flag.help,
                "value": flag.metavar if flag.kind else None,
                "choices": list(flag.choices),
                "many": flag.many,
                "default": flag.default or None,
            }
            for flag in flags_of(command)
        ],
        "examples": [{"command": f"{PROGRAM} {one.words}", "help": one.help} for one in command.examples],
    }


def _section(title: str, rows: Sequence[tuple[str, str]]) -> list[Line]:
    if not rows:
        return []
    spans = [(Span(name, Role.ACCENT), Span(told)) for name, told in rows]
    return [line(), line((title, Role.STRONG)), *columns(spans, indent=2)]


def _parted(text: str) -> tuple[str, str]:
    number, _, meaning = text.partition(": ")
    return number, meaning


def flags_of(command: Command) -> Iterable[Flag]:
    """Its own flags, then those that every command has."""
    return (*command.flags, *(flag for flag in GLOBAL_FLAGS if flag.name != "json" or command.has_json))


def about(flag: Flag) -> str:
    """What the help says of an option."""
    many = " May be repeated." if flag.many else ""
    default = f"  [default: {flag.default}]" if flag.default else ""
    choices = f" One of: {', '.join(flag.choices)}." if flag.choices and flag.value else ""
    return f"{flag.help}{choices}{many}{default}"


def statuses_of(command: Command) -> list[str]:
    """Exit statuses that this command has beside those of every command."""
    follows = any(flag.name == "wait" for flag in command.flags) or command.name == "watch"
    return [*command.statuses, *(how_a_loop_stands() if follows else [])]


def how_a_loop_stands() -> list[str]:
    """The statuses that tell how a loop stands."""
    shown = (status for status in Exit if status.value < min(EXIT_STATUS[Code.UNAVAILABLE], 63) and status.value)
    meanings = {**MEANINGS, Exit.STOPPED: "paused, stopped or cancelled"}
    return [f"{status.value}: {meanings[status]}" for status in shown if status is not Exit.USAGE]


def common_statuses() -> list[str]:
    """The statuses that every command has."""
    by_status: dict[int, list[str]] = {}
    for code, meaning in CODES.items():
        by_status.setdefault(EXIT_STATUS[code], []).append(meaning)
    told = [f"{status}: {'; or '.join(meanings)}" for status, meanings in sorted(by_status.items())]
    return ["0: done", *told, "130: ended by Ctrl-C"]
