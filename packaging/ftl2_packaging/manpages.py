"""The manual pages, from the declarations that help and references are made from."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from ftl2_enterprise.cli import program as cli
from ftl2_enterprise.cli.program import FTL2_ENTERPRISE
from ftl2_enterprise.commandline import help_text, reference
from ftl2_enterprise.commandline.finder import every_command
from ftl2_enterprise.core.paths import SOCKET_VARIABLES
from ftl2_enterprise.ctl import exit_statuses
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_packaging.options import every_option, sentence
from ftl2_packaging.troff import Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl2_enterprise.commandline.declaration import Command, Option, Program
    from ftl2_packaging.places import Build

_USER, _ADMINISTRATOR, _FILES = "User Commands", "System Administration", "File Formats"
_PLACES = (
    ("/etc/ftl2-enterprise/config.toml", "The settings; see ftl2-enterprise.toml(5)."),
    ("/etc/ftl2-enterprise/conf.d/*.toml", "More settings, read after those."),
    ("/etc/ftl2-enterprise/policy.d/*.yaml", "The policy of the site."),
    ("/etc/ftl2-enterprise/rules/", "Rules, which decide without a model."),
    ("/etc/credstore/ftl2.*", "Secrets that systemd passes to the service."),
    ("/run/ftl2-enterprise/control.sock", "Where the service listens."),
    (
        "/var/lib/ftl2-enterprise/loops.db",
        "The database; its directory is the home directory of the service, with `.ssh`.",
    ),
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
    name = FTL2CTL.name
    page = _page(build, name, 1, _USER)
    page.name(name, "control the ftl2-enterprise service")
    page.section("SYNOPSIS")
    page.example(f"{name} COMMAND [ARGUMENT...] [OPTION...]", name, f"{name} < FILE")
    page.section("DESCRIPTION")
    page.paragraph(FTL2CTL.purpose)
    page.paragraph(
        f"With a command, `{name}` executes it. Without a command, on a terminal, it is an interactive shell with"
        " completion and history. If standard input is a file or a pipe, each line is a command, and the first one"
        " that fails ends the program."
    )
    page.paragraph(
        "LOOP is a name, an unambiguous prefix of a name, or an id. Times are shown relative to now; JSON contains"
        " ISO 8601 in UTC. The settings under `access` control who may do what: by default, members of the group"
        " `ftl2` may view and operate."
    )
    page.section("OPTIONS OF EVERY COMMAND")
    page.definitions(_options(FTL2CTL.options))
    _commands(page, FTL2CTL)
    page.section("EXIT STATUS")
    page.definitions(_sentences(exit_statuses.common()))
    page.paragraph("Commands that follow a loop (`--wait`, `watch`) also report its state:")
    page.definitions(_sentences(exit_statuses.of_followers()))
    page.section("ENVIRONMENT")
    page.definition(", ".join(SOCKET_VARIABLES), "The socket of the service, unless `--socket` is given.")
    page.definition("NO_COLOR", "Disables colours.")
    page.section("FILES")
    page.definition("/run/ftl2-enterprise/control.sock", "Socket of the system's service.")
    page.definition("$XDG_RUNTIME_DIR/ftl2-enterprise/control.sock", "Socket of a user's own service.")
    page.section("SEE ALSO")
    page.paragraph("`ftl2-enterprise`(8), `ftl2-enterprise.toml`(5), `systemctl`(1), `journalctl`(1)")
    return page


def _commands(page: Page, program: Program) -> None:
    page.section("COMMANDS")
    for group, members in groupby(every_command(program), key=lambda one: one.group):
        page.subsection(group.title)
        for command in members:
            _command(page, program, command)


def _command(page: Page, program: Program, command: Command) -> None:
    details = [command.summary, *(" ".join(part.split()) for part in command.details.split("\n\n") if part)]
    if command.aliases:
        details.append(f"Aliases: {', '.join(f'`{alias}`' for alias in command.aliases)}.")
    if command.in_shell_only:
        details.append("In the shell only.")
    page.definition(command.usage, *details)
    page.indented([*((one.shown, one.help) for one in command.arguments if one.help), *_options(command.options)])
    statuses = [help_text.parted(text) for text in command.statuses]
    page.indented([(f"Status {number}", sentence(meaning)) for number, meaning in statuses])
    prefix = "" if command.in_shell_only else f"{program.name} "
    if command.examples:
        widest = max(len(example.words) for example in command.examples) + 2
        lines = [reference.example_line(prefix, one.words, one.help, widest) for one in command.examples]
        page.example(*lines, indent=True)


def _options(options: Sequence[Option]) -> list[tuple[str, str]]:
    return [(option.shown, help_text.about(option)) for option in options]


def _sentences(statuses: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(number, sentence(meaning)) for number, meaning in statuses]


# --- ftl2-enterprise(8) --------------------------------------------------------------------------------------------


def _ftl2_enterprise(build: Build) -> Page:
    name = FTL2_ENTERPRISE.name
    page = _page(build, name, 8, _ADMINISTRATOR)
    page.name(name, "keep infrastructure in its desired state")
    page.section("SYNOPSIS")
    page.example(f"{name} [OPTION...] COMMAND [ARGUMENT...]", "systemctl start ftl2-enterprise")
    page.section("DESCRIPTION")
    page.paragraph(FTL2_ENTERPRISE.purpose)
    page.paragraph(
        "systemd starts the service as `ftl2-enterprise.service`, and `ftl2ctl`(1) controls it. `run` runs one loop"
        " in the foreground, without a service."
    )
    page.section("OPTIONS OF EVERY COMMAND")
    page.definitions(_options(FTL2_ENTERPRISE.options))
    _commands(page, FTL2_ENTERPRISE)
    page.section("EXIT STATUS")
    page.definitions(_sentences(cli.statuses()))
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
            restart = " Takes effect when the service starts." if option.needs_restart else ""
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
