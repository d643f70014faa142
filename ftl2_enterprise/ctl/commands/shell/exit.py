"""`exit`: leave the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.program import LEAVE, SHELL

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """End the shell."""
    del session, given
    return LEAVE


COMMAND = Command(
    summary="Leave the shell, as Ctrl-D does; the service continues.",
    group=SHELL,
    run=run,
    in_shell_only=True,
    has_json=False,
    examples=(Example("exit"),),
)
