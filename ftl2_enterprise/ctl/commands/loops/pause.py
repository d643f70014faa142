"""`pause`: pause loops after their current step."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.ctl.loops import control
from ftl2_enterprise.ctl.loops.arguments import LOOPS, SEVERAL_LOOPS
from ftl2_enterprise.protocol.loops.verbs import ListLoops, PauseLoop

COMMAND = Command(
    summary="Pause a loop after its current step.",
    group=LOOPS,
    run=control.several("pause", PauseLoop),
    verbs=(PauseLoop, ListLoops),
    arguments=(SEVERAL_LOOPS,),
    options=(Option("all", "Pause all loops that run, rest, wait or are about to start.", short="a"),),
    details=f"`resume` continues it. {control.EACH}",
    examples=(Example("pause web"), Example("pause web db"), Example("pause --all")),
)
