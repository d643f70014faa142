"""`resume`: continue paused or stopped loops."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.ctl.loops import control
from ftl2_enterprise.ctl.loops.arguments import LOOPS, SEVERAL_LOOPS
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ResumeLoop
from ftl2_enterprise.protocol.service.verbs import ListFreezes

COMMAND = Command(
    summary="Resume a paused or stopped loop where it left off.",
    group=LOOPS,
    run=control.several("resume", ResumeLoop),
    verbs=(ResumeLoop, ListLoops, ListFreezes),
    arguments=(SEVERAL_LOOPS,),
    options=(control.WAIT, Option("all", "Resume all loops of the service that were paused or stopped.", short="a")),
    details=control.EACH,
    examples=(
        Example("resume web"),
        Example("resume web --wait"),
        Example("resume web db"),
        Example("resume --all"),
    ),
)
