"""`cancel`: end a loop permanently."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops import control
from ftl2_enterprise.ctl.loops.arguments import LOOPS, WHOLE_LOOP
from ftl2_enterprise.protocol.loops.verbs import CancelLoop

COMMAND = Command(
    summary="Cancel a loop permanently; it cannot be started again.",
    group=LOOPS,
    run=control.one(CancelLoop),
    verbs=(CancelLoop,),
    arguments=(WHOLE_LOOP,),
    options=(control.NOW,),
    details="The loop ends after its current step. What it changed stays changed; `delete` removes its record.",
    examples=(Example("cancel web"), Example("cancel web --now", "works while it is being cancelled, too")),
)
