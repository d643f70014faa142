"""`retry`: run a failed or blocked loop again."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.ctl.loops import control
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.protocol.loops.verbs import RetryLoop
from ftl2_enterprise.protocol.service.verbs import ListFreezes

COMMAND = Command(
    summary="Run a failed or blocked loop again.",
    group=LOOPS,
    run=control.one(RetryLoop),
    verbs=(RetryLoop, ListFreezes),
    arguments=(LOOP,),
    options=(control.WAIT,),
    examples=(Example("retry web"), Example("retry web --wait")),
)
