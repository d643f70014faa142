"""`freeze`: let no effect begin until `thaw`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.commandline.loops import freezing
from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl.loops.arguments import LOOP_REF
from ftl2_enterprise.ctl.program import SERVICE
from ftl2_enterprise.protocol.loops.verbs import FindTarget
from ftl2_enterprise.protocol.service.verbs import FreezeEffects
from ftl2_enterprise.render.freezes import freeze_lines
from ftl2_enterprise.render.loops.inventory import unknown_target_lines

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.core.freeze import Freeze
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.render.text import Line

WITHIN = 5.0
"""Seconds for which the command waits to find out whether a loop has the host."""


def run(session: CtlSession, given: GivenValues) -> int:
    """Put a freeze in force."""
    scope, of = freezing.selected(given, "freeze")
    reason = freezing.reason_of(given)
    request = FreezeEffects(
        scope=scope, of=of, reason=reason, until=given.maybe_number("until"), now=given.has("now")
    )
    made = session.call(request)
    session.reply(made, lambda: [*freeze_lines([made], session.now()), *_warnings(session, made.freeze)])
    return 0


def _warnings(session: CtlSession, freeze: Freeze) -> list[Line]:
    """The warning about a name that no loop has. The freeze is in force, so a failure to find that out is ignored."""
    if freeze.scope is not FreezeScope.TARGET:
        return []
    try:
        found = session.call(FindTarget(name=freeze.of), timeout=WITHIN)
    except Problem:
        return []
    return unknown_target_lines(freeze.of, found.close) if found.known is False else []


COMMAND = Command(
    summary="Let nothing have an effect on hosts or models: everything, or one loop, host or group.",
    group=SERVICE,
    run=run,
    works_offline=True,
    verbs=(FreezeEffects, FindTarget),
    options=(*freezing.selection(LOOP_REF), freezing.REASON, freezing.UNTIL, freezing.NOW),
    details=(
        "When it returns, nothing begins any more, in any process, until `thaw`: also after a restart. Loops that "
        "are held rest, and observe again before they continue. `ftl2-enterprise freeze` does the same when the "
        "service does not answer."
    ),
    examples=(
        Example('freeze --all --reason "incident 4711"', "everything"),
        Example('freeze --host web1 --reason "disk is replaced" --until +2h', "one host, for two hours"),
        Example('freeze --loop web --now --reason "wrong version"', "one loop, also what it does now"),
    ),
)
