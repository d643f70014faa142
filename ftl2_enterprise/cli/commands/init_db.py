"""`init-db`: create the database, or bring its schema up to date."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.redact import Redactor
from ftl2_enterprise.render import crash_report
from ftl2_enterprise.render.exit_status import Exit
from ftl2_enterprise.render.text import Role, line, symbol

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftl2_enterprise.cli.session import Session


@click.command("init-db")
@click.option("--dry-run", is_flag=True, help="Try it on a copy, and change nothing.")
@click.option("--backup", is_flag=True, help="Before a database is changed, keep a copy beside it.")
@click.pass_obj
def command(session: Session, *, dry_run: bool, backup: bool) -> int:
    """Create the database, or bring it up to date. Doing it twice is harmless.

    With --dry-run the status is 7 when it would be created or changed.
    """
    from ftl2_enterprise.store import backup as store_backup  # noqa: PLC0415
    from ftl2_enterprise.store.database import open_store  # noqa: PLC0415

    path = Path(session.settings.store.path)
    existed = path.exists()
    if dry_run:
        with _explaining(path):
            would_change = store_backup.rehearse(path)
        if not would_change:
            session.out.print(line(symbol("✔", Role.GOOD), f"database is up to date: {path}"))
            return Exit.OK
        what = "can be brought up to date" if existed else "would be created"
        session.out.print(line(symbol("!", Role.WARNING), f"database {what}: {path}"))
        return Exit.WOULD_CHANGE
    kept = store_backup.back_up(path) if backup else None
    if kept is not None:
        session.out.print(line(symbol("✔", Role.GOOD), f"database as it was is kept: {kept}"))
    with _explaining(path):
        open_store(path, create=True).close()
    what = "is up to date" if existed else "created"
    session.out.print(line(symbol("✔", Role.GOOD), f"database {what}: {path}"))
    return Exit.OK


@contextmanager
def _explaining(path: Path) -> Generator[None]:
    """A change of the database that fails says at what, because whoever installs a package sees nothing else."""
    try:
        yield
    except Problem:
        raise
    except Exception as error:
        internal = crash_report.record(error, path.parent)
        cause = Redactor().text(str(getattr(error, "orig", None) or error)).partition("\n")[0]
        said = f"cannot bring the database {path} up to date: {cause or type(error).__name__}"
        raise Problem(
            internal.code, f"{said} ({internal.message.rpartition(': ')[2]})", hint=internal.hint
        ) from error
