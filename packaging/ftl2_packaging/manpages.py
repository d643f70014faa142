"""The manual pages, from the same sources as --help and the references."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from ftl2_enterprise.cli import main as cli
from ftl2_enterprise.core.paths import SOCKET_VARIABLES
from ftl2_enterprise.ctl import help_text
from ftl2_enterprise.ctl.registry import GLOBAL_FLAGS, PROGRAM, every_command
from ftl2_enterprise.render import exit_status
from ftl2_packaging.options import every_option, sentence
from ftl2_packaging.troff import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.ctl.registry import Command, Flag
    from ftl2_packaging.places import Build

_USER, _ADMINISTRATOR, _FILES = "User Commands", "System Administration", "File Formats"
_PLACES = (
    ("/etc/ftl2-enterprise/config.toml", "The settings; see ftl2-enterprise.toml(5)."),
    ("/etc/ftl2-enterprise/conf.d/*.toml", "More settings, read after those."),
    ("/etc/ftl2-enterprise/rules/", "Rules that spare the model."),
    ("/etc/credstore/ftl2.*", "Secrets that systemd hands to the service."),
    ("/run/ftl2-enterprise/control.sock", "Where the service listens."),
    ("/var/lib/ftl2-enterprise/loops.db", "The database; in its directory is also `.ssh` of the service."),
    ("/var/log/ftl2-enterprise/", "The logs of loops, and of the service's own processes."),
)


def documents(build: Build) -> dict[str, str]:
    """All pages, by file name."""
    return {
        "ftl2ctl.1": str(_ftl2ctl(build)),
        "ftl2-enterprise.8": str(_ftl2_enterprise(build)),
        "ftl2-enterprise.toml.5": str(_settings(build)),
    }


def _page(build: Build, name: str, section: int, manual: str) -> Page:
    date = datetime.fromtimestamp(build.epoch, UTC).strftime("%Y-%m-%d")
    return Page(name, section, date=date, version=build.version, manual=manual)


# --- ftl2ctl(1) ----------------------------------------------------------------------------------------------------


def _ftl2ctl(build: Build) -> Page:
    page = _page(build, PROGRAM, 1, _USER)
    page.name(PROGRAM, "control the ftl2-enterprise service")
    page.section("SYNOPSIS")
    page.example(f"{PROGRAM} COMMAND [ARGUMENT...] [OPTION...]", PROGRAM, f"{PROGRAM} < FILE")
    page.section("DESCRIPTION")
    page.paragraph(help_text.PURPOSE)
    page.paragraph(
        f"With a command, `{PROGRAM}` executes it. Without a command, on a terminal, it is an interactive shell with"
        " completion and history. If standard input is a file or a pipe, each line is a command, and the first one"
        " that fails ends the program."
    )
    page.paragraph(
        "LOOP is a name, an unambiguous prefix of a name, or an id. Times are shown relative to now; JSON contains"
        " ISO 8601 in UTC. The settings under `access` control who may do what: by default, members of the group"
        " `ftl2` may view and operate."
    )
    page.section("OPTIONS OF EVERY COMMAND")
    page.definitions(_flags(GLOBAL_FLAGS))
    page.section("COMMANDS")
    for group, members in groupby(every_command(), key=lambda one: one.group):
        page.subsection(str(group))
        for command in members:
            _command(page, command)
    page.section("EXIT STATUS")
    page.definitions(_parted(text) for text in help_text.common_statuses())
    page.paragraph("Commands that wait for a loop (`--wait`, `watch`) also report its state:")
    page.definitions(_parted(text) for text in help_text.how_a_loop_stands())
    page.section("ENVIRONMENT")
    page.definition(", ".join(SOCKET_VARIABLES), "The socket of the service, unless `--socket` is given.")
    page.definition("NO_COLOR", "Disables colours.")
    page.section("FILES")
    page.definition("/run/ftl2-enterprise/control.sock", "Where the system's service listens.")
    page.definition("$XDG_RUNTIME_DIR/ftl2-enterprise/control.sock", "Where a user's own service listens.")
    page.section("SEE ALSO")
    page.paragraph("`ftl2-enterprise`(8), `ftl2-enterprise.toml`(5), `systemctl`(1), `journalctl`(1)")
    return page


def _command(page: Page, command: Command) -> None:
    details = [command.summary, *(" ".join(part.split()) for part in command.details.split("\n\n"))]
    if command.aliases:
        details.append(f"Aliases: {', '.join(f'`{alias}`' for alias in command.aliases)}.")
    if command.in_shell_only:
        details.append("In the shell only.")
    page.definition(command.usage, *details)
    page.indented([*((one.shown, one.help) for one in command.arguments if one.help), *_flags(command.flags)])
    page.indented(
        [(f"Status {text.partition(': ')[0]}", sentence(text.partition(": ")[2])) for text in command.statuses]
    )
    program = "" if command.in_shell_only else f"{PROGRAM} "
    if command.examples:
        widest = max(len(example.words) for example in command.examples) + 2
        lines = [
            f"{program}{one.words:<{widest}}{f'# {one.help}' if one.help else ''}".rstrip()
            for one in command.examples
        ]
        page.example(*lines, indent=True)


def _flags(flags: Sequence[Flag]) -> list[tuple[str, str]]:
    return [(flag.shown, help_text.about(flag)) for flag in flags]


def _parted(text: str) -> tuple[str, str]:
    number, _, meaning = text.partition(": ")
    return number, sentence(meaning)


# --- ftl2-enterprise(8) --------------------------------------------------------------------------------------------


def _ftl2_enterprise(build: Build) -> Page:
    context = click.Context(cli.group, info_name=cli.PROGRAM, **cli.group.context_settings)
    page = _page(build, cli.PROGRAM, 8, _ADMINISTRATOR)
    page.name(cli.PROGRAM, "keep infrastructure in its desired state")
    page.section("SYNOPSIS")
    page.example(f"{cli.PROGRAM} [OPTION...] COMMAND [ARGUMENT...]", "systemctl start ftl2-enterprise")
    page.section("DESCRIPTION")
    page.paragraphs(cli.group.help or "")
    page.paragraph(
        "systemd starts the service as `ftl2-enterprise.service`, and `ftl2ctl`(1) controls it. `run` runs one loop"
        " in the foreground, without a service."
    )
    page.section("OPTIONS")
    page.definitions(_parameters(cli.group, context))
    page.section("COMMANDS")
    for words, command in _commands(cli.group, context):
        if not command.hidden:
            _click_command(page, words, command, context)
    page.section("EXIT STATUS")
    page.definitions((str(status.value), sentence(meaning)) for status, meaning in exit_status.MEANINGS.items())
    page.section("SIGNALS")
    page.paragraph("To the main process of the service:")
    page.definition(
        "TERM, INT", "Let every loop finish its current step, then exit; the loops continue after the next start."
    )
    page.definition(
        "QUIT", "Exit immediately. Actions in progress become unknown; the loops observe again after the next start."
    )
    page.definition("HUP", "Reload the settings, like `systemctl reload`.")
    page.section("ENVIRONMENT")
    page.definition("FTL2_ENTERPRISE_SECTION_KEY", "A setting, such as `FTL2_ENTERPRISE_LOOPS_INTERVAL`.")
    page.definition("NO_COLOR", "Disables colours.")
    page.section("FILES")
    page.definitions(_PLACES)
    page.section("SEE ALSO")
    page.paragraph("`ftl2ctl`(1), `ftl2-enterprise.toml`(5), `systemctl`(1), `systemd-creds`(1)")
    page.paragraph("/usr/share/doc/ftl2-enterprise/")
    return page


def _commands(group: click.Group, context: click.Context, before: str = "") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += _commands(command, context, f"{before}{name} ")
        elif command is not None:
            found.append((f"{before}{name}", command))
    return found


def _click_command(page: Page, words: str, command: click.Command, parent: click.Context) -> None:
    context = click.Context(command, info_name=words, parent=parent)
    usage = " ".join([words, *command.collect_usage_pieces(context)]).replace("[OPTIONS]", "[OPTION...]")
    texts = [" ".join(part.split()) for part in (command.help or "").replace("\b", "").split("\n\n")]
    page.definition(usage, *texts)
    page.indented(_parameters(command, context))


def _parameters(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    records: list[Any] = [one.get_help_record(context) for one in command.get_params(context)]
    return [(record[0], record[1]) for record in records if record and record[1]]


# --- ftl2-enterprise.toml(5) ---------------------------------------------------------------------------------------


def _settings(build: Build) -> Page:
    page = _page(build, "ftl2-enterprise.toml", 5, _FILES)
    page.name("ftl2-enterprise.toml", "settings of the ftl2-enterprise service and of its commands")
    page.section("SYNOPSIS")
    page.example("/etc/ftl2-enterprise/config.toml", "/etc/ftl2-enterprise/conf.d/*.toml")
    page.section("DESCRIPTION")
    page.paragraph(
        "The files are TOML. All settings are optional. The value of a setting comes from the last of these sources"
        " that contains it: the defaults; `config.toml`; the files of `conf.d`, in order of name; the environment,"
        " where the key `loops.interval` is `FTL2_ENTERPRISE_LOOPS_INTERVAL` and lists are separated by commas;"
        " options of the command. `--config FILE` replaces the files in /etc."
    )
    page.paragraph(
        "An unknown key is refused with the nearest known name. A relative path is relative to its file."
        " `ftl2-enterprise config show` prints each value and its source."
    )
    page.paragraph(
        "`systemctl reload ftl2-enterprise` reloads the settings of a running service. A loop uses the new settings"
        " when its process starts the next time."
    )
    for section, members in groupby(every_option(), key=lambda option: option.section):
        page.section(f"[{section}]")
        for option in members:
            default = (
                f"Default: `{option.written}`."
                if option.has_default
                else f"Not set by default. Example: `{option.written}`."
            )
            restart = " Counts only when the service starts." if option.needs_restart else ""
            page.definition(option.key, sentence(option.meaning), f"{sentence(option.kind)} {default}{restart}")
    page.section("EXAMPLES")
    page.example(
        "[model]",
        'provider = "claude"',
        "max_cost = 2.50",
        "",
        "[access]",
        'operate = ["%ftl2", "deploy"]',
        'view = ["%ftl2", "deploy", "%monitoring"]',
    )
    page.section("SEE ALSO")
    page.paragraph("`ftl2-enterprise`(8), `ftl2ctl`(1)")
    return page
