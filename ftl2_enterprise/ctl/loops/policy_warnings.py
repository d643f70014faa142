"""Warnings about policy, for commands that use one."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.loops import sent_files
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.verbs import ShowPolicy
from ftl2_enterprise.render.colour import painter
from ftl2_enterprise.render.loops.policy import warning_lines

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.session import CtlSession


def show_warnings(
    session: CtlSession, *, policy: str | None, inventory: str | None, loop: str | None = None, site: bool = True
) -> None:
    """Show on standard error what `policy show` warns of; `site`: whether also of rules of the site.

    The command has its answer already, so a failure to find that out is ignored.
    """
    with contextlib.suppress(Problem):
        files = sent_files.files(inventory, policy)
        found = session.call(ShowPolicy(loop=loop, policy=policy, inventory=inventory, files=files)).warnings
        shown = [one for one in found if site or not one.startswith(("site ", "site:"))]
        if shown:
            painter(sys.stderr).print(warning_lines(shown))
