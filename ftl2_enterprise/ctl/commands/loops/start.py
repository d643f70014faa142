"""`start`: run a loop."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops import control
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.protocol.loops.verbs import StartLoop
from ftl2_enterprise.protocol.service.verbs import ListFreezes

COMMAND = Command(
    summary="Start a loop: a new, paused or blocked one, or one that was run in the foreground.",
    group=LOOPS,
    run=control.one(StartLoop),
    verbs=(StartLoop, ListFreezes),
    arguments=(LOOP,),
    options=(control.WAIT,),
    examples=(Example("start web"), Example("start web --wait")),
)
