"""`tour`: a loop that converges, drifts and is repaired, in a scratch directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.cli.program import PROGRAM_ITSELF
from ftl2_enterprise.commandline.declaration import PATH, Command, Example, Option

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """Run the tour."""
    from ftl2_enterprise.cli.loops.tour import main as tour  # noqa: PLC0415 - not needed for help

    directory = given.maybe("directory")
    return tour.tour(
        session, None if directory is None else Path(directory), non_interactive=given.has("non-interactive")
    )


COMMAND = Command(
    summary="Watch a loop at work: it converges, something is broken, and it is repaired.",
    group=PROGRAM_ITSELF,
    run=run,
    options=(
        Option("directory", "Scratch directory; by default a new one for temporary files.", PATH, value="DIR"),
        Option("non-interactive", "Do not ask and do not pause, even on a terminal."),
    ),
    details=(
        "Everything happens in one scratch directory, without root, network or model. In a pipe or with "
        "--non-interactive, the tour stops its service at the end. On a terminal it ends in the shell of ftl2ctl: "
        "the service and its loop continue while the shell is open, and after you leave it. Clean up in the order "
        "that the tour prints: stop the service, then remove the directory, which ends the process that the loop "
        "keeps running. `shutdown` in the shell stops the service, too; the tour then ends that process itself."
    ),
    examples=(Example("tour"),),
)
