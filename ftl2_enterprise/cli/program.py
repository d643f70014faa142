"""`ftl2-enterprise` as a program: its name, its purpose, the options of every command, and its exit statuses."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import HELP, PATH, HelpGroup, Option, Program
from ftl2_enterprise.render import exit_status

DB = Option("db", "Path of the database; by default that of the settings (see `config show`).", PATH, value="PATH")
CONFIG = Option("config", "Read the settings from FILE instead of the files in /etc.", PATH, value="FILE")
VERSION = Option("version", "Show the version of the program.")

FTL2_ENTERPRISE = Program(
    name="ftl2-enterprise",
    purpose="Keep infrastructure in its desired state: observe, decide, execute, record, until it has converged.",
    package="ftl2_enterprise.cli.commands",
    options=(DB, CONFIG, VERSION, HELP),
)

SERVICE = HelpGroup("Service", 10)
ADMINISTRATION = HelpGroup("Administration", 30)
PROGRAM_ITSELF = HelpGroup("This program", 90)

JSON = Option("json", "Print one JSON document.")


def statuses() -> list[tuple[str, str]]:
    """Every exit status, as pairs of number and meaning."""
    meanings = {int(status): text for status, text in exit_status.MEANINGS.items()}
    meanings |= exit_status.of_capabilities()
    meanings[0] = f"success; {meanings[0]}" if 0 in meanings else "success"
    return [(str(status), meanings[status]) for status in sorted(meanings)]
