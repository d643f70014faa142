"""`init-db`: create the database, or bring its schema up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftl2_enterprise.terminal.text import Role, line, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.console.session import Session


@click.command("init-db")
@click.pass_obj
def command(session: Session) -> int:
    """Create the database, or bring it up to date. Doing it twice is harmless."""
    from ftl2_enterprise.store.engine import open_store  # noqa: PLC0415

    path = Path(session.settings.store.path)
    existed = path.exists()
    open_store(path, create=True).close()
    what = "is up to date" if existed else "created"
    session.out.print(line(symbol("✔", Role.GOOD), f"database {what}: {path}"))
    return 0
