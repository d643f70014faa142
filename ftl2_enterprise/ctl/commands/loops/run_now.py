"""`run-now`: begin the next run of a resting loop now."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops import control
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.protocol.loops.verbs import RunLoopNow
from ftl2_enterprise.protocol.service.verbs import ListFreezes

COMMAND = Command(
    summary="Begin the next run of a resting loop now.",
    group=LOOPS,
    run=control.one(RunLoopNow),
    verbs=(RunLoopNow, ListFreezes),
    arguments=(LOOP,),
    options=(control.WAIT,),
    details="If people have rejected its actions, it asks about them again.",
    examples=(Example("run-now web"), Example("run-now web --wait")),
)
