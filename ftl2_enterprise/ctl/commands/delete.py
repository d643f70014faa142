"""`delete`: remove a loop that has ended, with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.ctl.registry import WHOLE_LOOP, Command, Example, Flag, Group
from ftl2_enterprise.protocol.loops.verbs import DeleteLoop, ShowLoop
from ftl2_enterprise.render.text import Role, count, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.ctl.parsing import Given
    from ftl2_enterprise.ctl.session import Session


def run(session: Session, given: Given) -> int:
    """Delete it, once that is sure."""
    name = given.text("loop")
    if not given.has("yes"):
        asker = session.asker
        if asker is None or session.wants_json:
            raise invalid(
                f"cannot delete {name!r} without being sure: nobody can be asked here",
                "add --yes to say that you are",
            )
        loop = session.call(ShowLoop(loop=name)).loop
        what = f"{count(loop.iteration_count, 'iteration')} and {count(loop.action_count, 'action')}"
        # Making sure may take longer than the service lives.
        session.close()
        if not asker.confirms(f"delete loop {one_line(loop.name)} with {what}?"):
            session.print(line("nothing was deleted"))
            return 0
        # The id, so that what was shown is what is deleted.
        name = str(loop.id)
    gone = session.call(DeleteLoop(loop=name))
    session.reply(gone, lambda: line((one_line(gone.name), Role.STRONG), ": deleted, with its history"))
    return 0


COMMANDS = (
    Command(
        name="delete",
        summary="Remove a loop that has ended, with its iterations and actions.",
        group=Group.LOOPS,
        run=run,
        verbs=(DeleteLoop, ShowLoop),
        arguments=(WHOLE_LOOP,),
        flags=(Flag("yes", "Do not ask.", short="y"),),
        details="The event log keeps that it was there. A loop that has not ended is to be cancelled first.",
        examples=(Example("delete web"), Example("delete 17 --yes", "in a script")),
    ),
)
