"""The freezes that hold loops which a command has requested to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.protocol.service.verbs import FreezeRecord


def show_freezes(session: CtlSession, *loops: Loop) -> None:
    """Show the freezes that hold loops which were requested to run, each once."""
    if session.wants_json:
        return
    from ftl2_enterprise.render.freezes import freeze_lines  # noqa: PLC0415 - not needed for JSON

    session.print(freeze_lines(freezes_of(session, *loops), session.now()))


def freezes_of(session: CtlSession, *loops: Loop) -> list[FreezeRecord]:
    """The freezes that hold the loops; none if the service ends, because the request before has succeeded."""
    from ftl2_enterprise.core.problem import Problem  # noqa: PLC0415 - loaded already
    from ftl2_enterprise.render.loops.loop_detail import holding  # noqa: PLC0415 - not needed for JSON

    try:
        return list({one.freeze.id: one for loop in loops for one in holding(session, loop)}.values())
    except Problem:
        return []
