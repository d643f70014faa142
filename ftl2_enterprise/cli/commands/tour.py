"""`tour`: a loop that converges, drifts and mends, on a scratch directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import Session


@click.command("tour")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to put the scratch directory; by default the directory for temporary files.",
)
@click.option("--non-interactive", is_flag=True, help="Ask nobody and do not pause, also on a terminal.")
@click.pass_obj
def command(session: Session, *, directory: Path | None, non_interactive: bool) -> int:
    """Watch a loop at work: it converges, something is broken, it is mended.

    Everything happens below one scratch directory: no root, no network, no model. Ends by itself and leaves nothing
    running.
    """
    from ftl2_enterprise.cli.tour import main as tour  # noqa: PLC0415

    return tour.tour(session, directory, non_interactive=non_interactive)
