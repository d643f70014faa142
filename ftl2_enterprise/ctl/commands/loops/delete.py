"""`delete`: remove a loop that has ended, with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.core.problem import conflict, invalid
from ftl2_enterprise.ctl.loops.arguments import LOOPS, WHOLE_LOOP
from ftl2_enterprise.ctl.program import NOT_CONFIRMED, REFUSED_STATUS
from ftl2_enterprise.protocol.loops.verbs import DeleteLoop, ShowLoop
from ftl2_enterprise.render.loops.standing import ENDED
from ftl2_enterprise.render.text import Role, count, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Delete the loop, after confirmation."""
    name = given.text("loop")
    if not given.has("yes"):
        asker = session.asker
        if asker is None or session.wants_json:
            raise invalid(
                f"cannot delete {name!r} without confirmation: there is no terminal to ask on",
                "add --yes to confirm",
            )
        loop = session.call(ShowLoop(loop=name)).loop
        if loop.state not in ENDED:
            # Before the question: the service would refuse it after a yes.
            raise conflict(f"cannot delete {loop.name}: it is {loop.state}", f"`cancel {loop.name}` ends it first")
        what = f"{count(loop.iteration_count, 'iteration')} and {count(loop.action_count, 'action')}"
        # The service may end while the user thinks about it.
        session.close()
        if not asker.confirms(f"delete loop {one_line(loop.name)} with {what}?"):
            session.print(line("nothing was deleted"))
            return NOT_CONFIRMED
        # By id, so that what was shown is what is deleted.
        name = str(loop.id)
    gone = session.call(DeleteLoop(loop=name))
    session.reply(gone, lambda: line((one_line(gone.name), Role.STRONG), ": deleted with its history"))
    return 0


COMMAND = Command(
    summary="Delete a loop that has ended, with its iterations and actions.",
    group=LOOPS,
    run=run,
    verbs=(DeleteLoop, ShowLoop),
    arguments=(WHOLE_LOOP,),
    options=(Option("yes", "Delete without confirmation.", short="y"),),
    details="The event log keeps its events. A loop that has not ended must be cancelled first.",
    examples=(Example("delete web"), Example("delete 17 --yes", "in a script")),
    statuses=(REFUSED_STATUS,),
)
