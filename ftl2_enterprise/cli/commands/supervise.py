"""`supervise`: the service itself, as systemd starts it or in the foreground."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import click

from ftl2_enterprise.core.problem import unavailable
from ftl2_enterprise.render.text import Line, Role, line, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import Session
    from ftl2_enterprise.core.settings import Loaded, Settings


@click.command("supervise")
@click.option("--socket", metavar="PATH", help="Listen there; by default where the settings say (see `config show`).")
@click.option("--max-running", metavar="N", help="Loops that have a process at a time.")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
@click.pass_obj
def command(session: Session, socket: str | None, max_running: str | None, log_level: str | None) -> int:
    """Run the service: it keeps every submitted loop running, and `ftl2ctl` steers it.

    It stays in the foreground. Ctrl-C or SIGTERM lets every loop finish its step, Ctrl-C once more or SIGQUIT ends at
    once; the loops go on with the next start. SIGHUP reads the settings again.
    """
    from ftl2_enterprise.cli import service  # noqa: PLC0415 - of no use to other commands
    from ftl2_enterprise.core import child_startup  # noqa: PLC0415
    from ftl2_enterprise.supervisor import start  # noqa: PLC0415

    options = {"supervisor.socket": socket, "supervisor.max_running": max_running, "log.level": log_level}
    session.options = {key: value for key, value in options.items() if value is not None}
    settings = session.settings
    service.prepare(settings, os.environ)
    if not os.environ.get("NOTIFY_SOCKET"):
        session.out.print(_greeting(settings))
        session.out.stream.flush()
    begun = child_startup.Startup(
        config=str(session.config.absolute()) if session.config else None,
        # Every process of the service is told the same, wherever it is.
        flags={key: _as_text(session.loaded, key) for key in session.flags},
        writer=child_startup.writer_socket(settings.supervisor.socket),
    ).renewed(session.loaded)
    argument = begun.encode()
    try:
        start.execute_root(
            {
                "control_socket": settings.supervisor.socket,
                "writer_socket": begun.writer,
                "arguments": {"control": argument, "writer": argument},
                "heartbeat": settings.supervisor.heartbeat,
                "hung_after": settings.supervisor.hung_after,
                "drain_timeout": settings.supervisor.drain_timeout,
            }
        )
    except OSError as error:
        raise unavailable(f"cannot start the service: {(error.strerror or 'failed').lower()}") from error


def _as_text(loaded: Loaded, key: str) -> str:
    """The value as it is in force: a relative path has become an absolute one."""
    section, _, name = key.partition(".")
    return str(getattr(getattr(loaded.settings, section), name))


def _greeting(settings: Settings) -> list[Line]:
    steer = shlex.join(["ftl2ctl", "--socket", settings.supervisor.socket])
    return [
        line(symbol("●", Role.GOOD), f"the service listens on {settings.supervisor.socket}"),
        line((f"{'database:':<10}", Role.FAINT), settings.store.path, indent=2),
        line((f"{'logs:':<10}", Role.FAINT), settings.log.directory, indent=2),
        line((f"{'steer it:':<10}", Role.FAINT), (steer, Role.COMMAND), indent=2),
        line(
            (f"{'end it:':<10}", Role.FAINT),
            "Ctrl-C, twice to end it at once; the loops go on with the next start",
            indent=2,
        ),
    ]
