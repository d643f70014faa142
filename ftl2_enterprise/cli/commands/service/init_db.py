"""`init-db`: create the database, or migrate it to the current schema."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.cli.program import ADMINISTRATION
from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.render import crash_report
from ftl2_enterprise.render.exit_status import Exit
from ftl2_enterprise.render.text import Role, line, symbol

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues

WOULD_CHANGE = 7
"""The status of a dry run that found something to do."""


def run(session: CliSession, given: GivenValues) -> int:
    """Create or migrate the database; with --dry-run, only find out whether that would work."""
    from ftl2_enterprise.store import backup as store_backup  # noqa: PLC0415 - SQLAlchemy is not needed for help
    from ftl2_enterprise.wiring.database import open_database  # noqa: PLC0415
    from ftl2_enterprise.wiring.migrations import branches  # noqa: PLC0415

    path = Path(session.settings.store.path)
    existed = path.exists()
    if given.has("dry-run"):
        with _explaining(path):
            would_change = store_backup.rehearse(path, branches=branches())
        if not would_change:
            session.out.print(line(symbol("✔", Role.GOOD), f"database is up to date: {path}"))
            return Exit.OK
        what = "can be migrated" if existed else "would be created"
        session.out.print(line(symbol("!", Role.WARNING), f"database {what}: {path}"))
        return WOULD_CHANGE
    kept = store_backup.back_up(path, branches=branches()) if given.has("backup") else None
    if kept is not None:
        session.out.print(line(symbol("✔", Role.GOOD), f"backup of the database: {kept}"))
    with _explaining(path):
        open_database(path, create=True).close()
    what = "is up to date" if existed else "created"
    session.out.print(line(symbol("✔", Role.GOOD), f"database {what}: {path}"))
    return Exit.OK


@contextmanager
def _explaining(path: Path) -> Generator[None]:
    """Add the cause to an unexpected error, because the installation of a package shows only this message."""
    try:
        yield
    except Problem:
        raise
    except Exception as error:
        internal = crash_report.record(error, path.parent)
        cause = Redactor().text(str(getattr(error, "orig", None) or error)).partition("\n")[0]
        message = f"cannot migrate the database {path}: {cause or type(error).__name__}"
        raise Problem(
            internal.code, f"{message} ({internal.message.rpartition(': ')[2]})", hint=internal.hint
        ) from error


COMMAND = Command(
    summary="Create the database, or migrate it to the schema of this version.",
    group=ADMINISTRATION,
    run=run,
    options=(
        Option("dry-run", "Try the migration on a copy, and change nothing."),
        Option("backup", "Keep a copy of the database before it is migrated."),
    ),
    details="Repeating it is harmless.",
    statuses=("7: with --dry-run, the database would be created or migrated",),
    examples=(Example("init-db"), Example("init-db --dry-run")),
)
