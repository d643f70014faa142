"""`update`: change the desired state of a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.commandline.declaration import Command, Example
from ftl2_enterprise.commandline.loops import options
from ftl2_enterprise.ctl.loops.arguments import LOOP, LOOPS
from ftl2_enterprise.ctl.loops.revision_values import (
    BASED_ON,
    PREVIEW,
    REASON,
    number_of,
    show_change,
    show_preview,
    typed,
)
from ftl2_enterprise.ctl.loops.updates import UNSET_OPTION, difference_of, update_of
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, PreviewUpdate, ShowLoop, UpdateLoop
from ftl2_enterprise.protocol.service.verbs import ListFreezes

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Show what changes, and change it."""
    loop = session.call(ShowLoop(loop=given.text("loop"))).loop
    request = update_of(given, loop, based_on=number_of(given, "based-on", loop.revision))
    if given.has("preview"):
        found = difference_of(session, loop, request)
        words = typed(COMMAND, given, without=("preview", "based-on"))
        return show_preview(session, found, words=f"update {words}", based_on=loop.revision, label="update it")
    now = session.call(request)
    show_change(session, loop, now, request.spec)
    return 0


COMMAND = Command(
    summary="Change the desired state of a loop, which keeps its name, id and history.",
    group=LOOPS,
    run=run,
    verbs=(UpdateLoop, PreviewUpdate, ShowLoop, GetRevision, GetRevisionFile, ListFreezes),
    arguments=(
        LOOP,
        options.DESIRED_STATE,
    ),
    options=(
        options.FILE,
        PREVIEW,
        BASED_ON,
        REASON,
        UNSET_OPTION,
        *(
            msgspec.structs.replace(option, default="")
            for option in (
                options.MODE,
                options.INTERVAL,
                options.inventory("the one in force"),
                *options.OF_SERVED_LOOPS,
            )
        ),
    ),
    details=(
        "What is not given stays as it is, and so do the files that were sent with it. A manifest that is given is "
        "read here with the files that it names, and so is an inventory or a policy. --label and --secret replace "
        "all that the loop has. "
        "No action of the earlier revision begins after the reply; one that has begun ends first."
    ),
    examples=(
        Example("update web -f site.yaml"),
        Example("update web -f site.yaml --preview", "shows the difference only"),
        Example("update web -f site.yaml --based-on 4", "refused if another revision than 4 is in force"),
        Example("update web --unset policy --unset label", "without the policy and the labels"),
        Example("update web --interval 60 --reason 'drift was found late'"),
    ),
)
