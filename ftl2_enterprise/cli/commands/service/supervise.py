"""`supervise`: the service itself, as systemd starts it or in the foreground."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ftl2_enterprise.cli.program import SERVICE
from ftl2_enterprise.commandline.declaration import PATH, TEXT, Command, Example, Option
from ftl2_enterprise.core.problem import unavailable
from ftl2_enterprise.render.text import Line, Role, line, quoted, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.core.settings.model import Loaded, Settings


def run(session: CliSession, given: GivenValues) -> int:
    """Prepare directories and database, then replace this process by the root of the service."""
    from ftl2_enterprise.cli import service  # noqa: PLC0415 - not needed for help
    from ftl2_enterprise.core import child_startup  # noqa: PLC0415
    from ftl2_enterprise.supervisor import start  # noqa: PLC0415
    from ftl2_enterprise.wiring import migrations  # noqa: PLC0415

    options = {
        "supervisor.socket": given.maybe("socket"),
        "supervisor.max_running": given.maybe("max-running"),
        "log.level": given.maybe("log-level"),
    }
    session.options = {key: value for key, value in options.items() if value is not None}
    settings = session.settings
    service.prepare(settings, os.environ)
    if not os.environ.get("NOTIFY_SOCKET"):
        session.out.print(_greeting(settings))
        session.out.stream.flush()
    begun = child_startup.Startup(
        config=str(session.config.absolute()) if session.config else None,
        # As absolute paths, because the processes of the service have other working directories.
        flags={key: _as_text(session.loaded, key) for key in session.flags},
        writer=child_startup.writer_socket(settings.supervisor.socket),
    ).renewed(session.loaded)
    argument = begun.encode()
    try:
        start.execute_root(
            {
                "control_socket": settings.supervisor.socket,
                "writer_socket": begun.writer,
                "schema": migrations.schema(),
                "arguments": {"control": argument, "writer": argument},
                "heartbeat": settings.supervisor.heartbeat,
                "hung_after": settings.supervisor.hung_after,
                "drain_timeout": settings.supervisor.drain_timeout,
            }
        )
    except OSError as error:
        raise unavailable(f"cannot start the service: {(error.strerror or 'failed').lower()}") from error


def _as_text(loaded: Loaded, key: str) -> str:
    """The value in force, in which a relative path has become an absolute one."""
    section, _, name = key.partition(".")
    return str(getattr(getattr(loaded.settings, section), name))


def _greeting(settings: Settings) -> list[Line]:
    control = f"ftl2ctl --socket {quoted(settings.supervisor.socket)}"
    return [
        line(symbol("●", Role.GOOD), f"the service listens on {settings.supervisor.socket}"),
        line((f"{'database:':<10}", Role.FAINT), settings.store.path, indent=2),
        line((f"{'logs:':<10}", Role.FAINT), settings.log.directory, indent=2),
        line((f"{'control:':<10}", Role.FAINT), (control, Role.COMMAND), indent=2),
        line(
            (f"{'stop:':<10}", Role.FAINT),
            "Ctrl-C; twice to stop without waiting for current steps",
            indent=2,
        ),
    ]


COMMAND = Command(
    summary="Run the service, which does what `ftl2ctl` requests.",
    group=SERVICE,
    run=run,
    options=(
        Option(
            "socket", "Socket to listen on; by default that of the settings (see `config show`).", PATH, value="PATH"
        ),
        Option(
            "max-running",
            "Maximum number of working processes; other work is queued.",
            TEXT,
            value="N",
        ),
        Option("log-level", "Log level: debug, info, warning or error.", TEXT, value="LEVEL"),
    ),
    details=(
        "It stays in the foreground. Ctrl-C or SIGTERM lets every process finish its current step; a second Ctrl-C "
        "or SIGQUIT ends it at once; the work continues after the next start. SIGHUP reloads the settings."
    ),
    examples=(Example("supervise"), Example("--db state.db supervise --socket ./control.sock")),
)
