"""The reference page of `ftl2ctl`, docs/reference/ftl2ctl.md."""

from __future__ import annotations

from ftl2_enterprise.commandline import reference
from ftl2_enterprise.core.paths import SOCKET_VARIABLES
from ftl2_enterprise.ctl import exit_statuses
from ftl2_enterprise.ctl.program import FTL2CTL

_NAME = FTL2CTL.name
_HEAD = f"""\
# {_NAME}

{FTL2CTL.purpose}

    {_NAME} COMMAND [ARGUMENT...] [OPTION...]    one command
    {_NAME}                                      the shell, on a terminal
    {_NAME} < FILE                               one command per line; the first failure ends it

Times are shown as ages; JSON has them in ISO 8601 and UTC. Colours and symbols are for terminals, and `NO_COLOR`
switches the colours off.

The socket of the service is the value of `--socket`, of `{SOCKET_VARIABLES[0]}`, or of
`{SOCKET_VARIABLES[1]}`, else `/run/ftl2-enterprise/control.sock` if it exists, else the
socket of this user's own service.
"""


def document() -> str:
    """The page."""
    titles = ("status", "meaning")
    statuses = "\n".join(
        [
            reference.table(titles, exit_statuses.common()),
            "Commands that wait for an outcome (`--wait`, `watch`) also use:\n",
            reference.table(titles, exit_statuses.of_followers()),
        ]
    )
    return reference.page(FTL2CTL, _HEAD, statuses)
