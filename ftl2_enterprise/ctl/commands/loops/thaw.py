"""`thaw`: end freezes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import TEXT, Argument, Command, Example
from ftl2_enterprise.commandline.loops import freezing
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl.loops.arguments import LOOP_REF
from ftl2_enterprise.ctl.program import SERVICE
from ftl2_enterprise.protocol.service.verbs import ThawEffects
from ftl2_enterprise.render.freezes import freeze_lines

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


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
    session.reply(ended, lambda: freeze_lines(ended, session.now()))
    return 0


COMMAND = Command(
    summary="End a freeze; what it held continues.",
    group=SERVICE,
    run=run,
    works_offline=True,
    verbs=(ThawEffects,),
    arguments=(Argument("id", TEXT, "Id of the freeze, or its beginning.", optional=True),),
    options=(*freezing.selection(LOOP_REF), freezing.GRADUALLY),
    details=(
        "Without an id, it ends the freezes that cover exactly what is named. A freeze of an administrator can only "
        "be ended by one."
    ),
    examples=(Example("thaw --all"), Example("thaw --all --gradually"), Example("thaw 5f3a")),
)
