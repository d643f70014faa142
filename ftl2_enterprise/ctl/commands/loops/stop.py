"""`stop`: end the processes of loops now."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.ctl.loops import control
from ftl2_enterprise.ctl.loops.arguments import LOOPS, SEVERAL_LOOPS
from ftl2_enterprise.protocol.loops.verbs import ListLoops, StopLoop

COMMAND = Command(
    summary="Stop the process of a loop now.",
    group=LOOPS,
    run=control.several("stop", StopLoop),
    verbs=(StopLoop, ListLoops),
    arguments=(SEVERAL_LOOPS,),
    options=(
        Option(
            "all",
            "Stop all loops that run, rest, wait or start, and those that are being paused or cancelled.",
            short="a",
        ),
    ),
    details=(
        "The current step is interrupted and recorded as unknown; `pause` waits for it instead. The loop can be "
        f"started again. A loop that is being cancelled is cancelled now. {control.EACH}"
    ),
    examples=(Example("stop web"), Example("stop web db"), Example("stop --all")),
)
