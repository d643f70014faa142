"""`init-db`: create the database, or bring its schema up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftl2_enterprise.terminal.exits import Exit
from ftl2_enterprise.terminal.text import Role, line, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.console.session import Session


@click.command("init-db")
@click.option("--dry-run", is_flag=True, help="Try it on a copy, and change nothing.")
@click.option("--backup", is_flag=True, help="Before a database is changed, keep a copy beside it.")
@click.pass_obj
def command(session: Session, *, dry_run: bool, backup: bool) -> int:
    """Create the database, or bring it up to date. Doing it twice is harmless.

    With --dry-run the status is 7 when it would be created or changed.
    """
    from ftl2_enterprise.store import copies  # noqa: PLC0415
    from ftl2_enterprise.store.engine import open_store  # noqa: PLC0415

    path = Path(session.settings.store.path)
    existed = path.exists()
    if dry_run:
        if not copies.rehearse(path):
            session.out.print(line(symbol("✔", Role.GOOD), f"database is up to date: {path}"))
            return Exit.OK
        what = "can be brought up to date" if existed else "would be created"
        session.out.print(line(symbol("!", Role.WARNING), f"database {what}: {path}"))
        return Exit.WOULD_CHANGE
    kept = copies.back_up(path) if backup else None
    if kept is not None:
        session.out.print(line(symbol("✔", Role.GOOD), f"database as it was is kept: {kept}"))
    open_store(path, create=True).close()
    what = "is up to date" if existed else "created"
    session.out.print(line(symbol("✔", Role.GOOD), f"database {what}: {path}"))
    return Exit.OK
