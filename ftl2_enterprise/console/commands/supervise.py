"""`supervise`: the service itself, as systemd starts it or in the foreground."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import click

from ftl2_enterprise.terminal.text import Role, line, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.console.session import Session


@click.command("supervise")
@click.option("--socket", metavar="PATH", help="Listen there; by default where the settings say (see `config show`).")
@click.option("--max-running", metavar="N", help="Loops that have a process at a time.")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
@click.pass_obj
def command(session: Session, socket: str | None, max_running: str | None, log_level: str | None) -> int:
    """Run the service: it keeps every submitted loop running, and `ftl2ctl` steers it.

    It stays in the foreground. Ctrl-C or SIGTERM lets every loop finish its step, SIGQUIT ends at once; the loops go
    on with the next start. SIGHUP reads the settings again.
    """
    from ftl2_enterprise.console import service  # noqa: PLC0415
    from ftl2_enterprise.supervisor import start  # noqa: PLC0415

    options = {"supervisor.socket": socket, "supervisor.max_running": max_running, "log.level": log_level}
    session.options = {key: value for key, value in options.items() if value is not None}
    settings = session.settings
    locks = service.prepare(settings, os.environ)
    if not os.environ.get("NOTIFY_SOCKET"):
        steer = shlex.join(["ftl2ctl", "--socket", settings.supervisor.socket])
        session.out.print(
            [
                line(symbol("●", Role.GOOD), f"the service listens on {settings.supervisor.socket}"),
                line((f"{'database:':<10}", Role.FAINT), settings.store.path, indent=2),
                line((f"{'logs:':<10}", Role.FAINT), settings.log.directory, indent=2),
                line((f"{'steer it:':<10}", Role.FAINT), (steer, Role.COMMAND), indent=2),
                line((f"{'end it:':<10}", Role.FAINT), "Ctrl-C; the loops go on with the next start", indent=2),
            ]
        )
        session.out.stream.flush()
    return start.execute_root(session.loaded, config=session.config, flags=session.flags, locks=locks)
