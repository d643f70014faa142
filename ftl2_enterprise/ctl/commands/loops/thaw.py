"""`thaw`: end freezes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import TEXT, Argument, Command, Example
from ftl2_enterprise.commandline.loops import freezing
from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.ctl.loops.arguments import LOOP_REF
from ftl2_enterprise.ctl.program import SERVICE
from ftl2_enterprise.protocol.service.verbs import ListFreezes, ThawEffects
from ftl2_enterprise.render.freezes import freeze_lines, remaining_lines

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.render.text import Line


def run(session: CtlSession, given: GivenValues) -> int:
    """End the freezes that are named."""
    gradually = given.has("gradually")
    if given.has("id"):
        if any(given.has(name) for name in freezing.NAMES):
            raise invalid("cannot take an id with another selection", "give only one of them")
        request = ThawEffects(id=given.text("id"), gradually=gradually)
    else:
        scope, of = freezing.selected(given, "thaw")
        request = ThawEffects(scope=scope, of=of, gradually=gradually)
    ended = session.call(request)
    session.reply(ended, lambda: [*freeze_lines(ended, session.now()), *_remaining(session)])
    return 0


def _remaining(session: CtlSession) -> list[Line]:
    """The freezes that stay. The others have ended, so a failure to find that out is ignored."""
    try:
        return remaining_lines(session.call(ListFreezes(limit=1000)), session.now())
    except Problem:
        return []


COMMAND = Command(
    summary="End a freeze; what it held continues.",
    group=SERVICE,
    run=run,
    works_offline=True,
    verbs=(ThawEffects, ListFreezes),
    arguments=(Argument("id", TEXT, "Id of the freeze, or its beginning.", optional=True),),
    options=(*freezing.selection(LOOP_REF), freezing.GRADUALLY),
    details=(
        "Without an id, it ends the freezes that cover exactly what is named: --all ends those of everything, and "
        "not what another person froze for a reason that may still hold, such as one host. The reply lists the "
        "freezes that stay. A freeze of an administrator can only be ended by one."
    ),
    examples=(Example("thaw --all"), Example("thaw --all --gradually"), Example("thaw 5f3a")),
)
