"""`submit`: submit a desired state to the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Command, Example, Option
from ftl2_enterprise.commandline.loops import options
from ftl2_enterprise.commandline.loops.desired_state import read_desired_state
from ftl2_enterprise.commandline.loops.sent_files import files_of
from ftl2_enterprise.commandline.loops.spec import spec_of
from ftl2_enterprise.core.problem import Code, Problem, invalid
from ftl2_enterprise.ctl.loops.arguments import LOOPS
from ftl2_enterprise.ctl.loops.control import WAIT
from ftl2_enterprise.ctl.loops.held import show_freezes
from ftl2_enterprise.ctl.program import NOT_CONFIRMED, REFUSED_STATUS
from ftl2_enterprise.protocol.loops import naming
from ftl2_enterprise.protocol.loops.verbs import (
    GetRevision,
    GetRevisionFile,
    PreviewUpdate,
    ShowLoop,
    ShowPolicy,
    SubmitLoop,
    UpdateLoop,
)
from ftl2_enterprise.protocol.service.verbs import GetSettings, ListFreezes
from ftl2_enterprise.render.loops.standing import state_line
from ftl2_enterprise.render.text import Line, line, one_line, quoted
from ftl2_enterprise.render.view import offer

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.nouns import Loop


def run(session: CtlSession, given: GivenValues) -> int:
    """Submit it; with --wait, follow the loop."""
    if given.has("wait") and given.has("paused"):
        raise invalid(
            "cannot wait for a loop that is created paused",
            f"leave out --wait, and run `{session.command('start LOOP --wait')}` later",
        )
    desired = read_desired_state(given.maybe("desired-state"), given.maybe("file"))
    spec = spec_of(given, desired, lambda: session.call(GetSettings()))
    request = SubmitLoop(
        spec=spec, paused=given.has("paused"), priority=given.number("priority", 0), files=files_of(spec)
    )
    if given.has("wait"):
        return _and_follow(session, given, request)
    try:
        loop = session.call(request)
    except Problem as problem:
        return _offer_update(session, given, request, problem)[1]
    session.reply(loop, lambda: _lines(session, loop))
    _warn(session, request)
    show_freezes(session, loop)
    return 0


def _offer_update(
    session: CtlSession, given: GivenValues, request: SubmitLoop, refused: Problem
) -> tuple[Loop | None, int]:
    """Ask whether to update the loop that has the name; returns the updated loop, and the exit status.

    Raises `refused` if no question helps: there is no terminal, or the loop would not change.
    """
    spec = request.spec
    name = spec.name or naming.name_for(spec.desired_state, spec.source, dry_run=spec.dry_run)
    asks = refused.code is Code.CONFLICT and not session.wants_json and not _CREATED_ONLY & given.values.keys()
    if not asks or (asker := session.asker) is None:
        raise refused
    from ftl2_enterprise.ctl.loops import revision_values, updates  # noqa: PLC0415 - few submits ask
    from ftl2_enterprise.render.loops import revisions  # noqa: PLC0415

    try:
        loop = session.call(ShowLoop(loop=name)).loop
    except Problem:
        raise refused from None
    if loop.name != name:
        raise refused
    update = updates.update_of(given, loop, desired=(spec.desired_state, spec.source))
    try:
        found = updates.difference_of(session, loop, update)
    except Problem as problem:
        # Such as a loop that has ended: the refusal of the submit has the remedy.
        raise (refused if problem.code is Code.CONFLICT else problem) from problem
    if found.is_empty:
        raise refused
    session.print(revisions.difference_lines(found))
    # The service may end while the user thinks about it.
    session.close()
    if not asker.confirms(f"a loop {one_line(name)} exists; update it (options that are not given stay)?"):
        session.print(line("nothing was changed"))
        return None, NOT_CONFIRMED
    now = session.call(update)
    revision_values.show_taken(session, loop, now)
    return now, 0


_CREATED_ONLY = {"paused", "dry-run", "run-checks", "priority"}
"""Options that an update does not have."""


def _lines(session: CtlSession, loop: Loop) -> list[Line]:
    return [
        state_line(loop, session.now()),
        offer(session, "follow", f"watch {quoted(loop.name)}", indent=2),
    ]


def _warn(session: CtlSession, request: SubmitLoop) -> None:
    """Show warnings about the rules of the loop; those of the site are not the concern of this user."""
    spec = request.spec
    if spec.policy is None:
        return
    from ftl2_enterprise.ctl.loops import policy_warnings  # noqa: PLC0415 - most loops have no policy

    policy_warnings.show_warnings(session, policy=spec.policy, inventory=spec.inventory, site=False)


def _and_follow(session: CtlSession, given: GivenValues, request: SubmitLoop) -> int:
    from ftl2_enterprise.ctl import event_stream  # noqa: PLC0415 - most calls do not wait
    from ftl2_enterprise.ctl.loops import follow  # noqa: PLC0415

    after = event_stream.cursor(session)
    try:
        loop = session.call(request)
    except Problem as problem:
        updated, status = _offer_update(session, given, request, problem)
        return status if updated is None else follow.follow(session, updated, after=after)
    if not session.wants_json:
        session.print(state_line(loop, session.now()))
    _warn(session, request)
    return follow.follow(session, loop, after=after)


COMMAND = Command(
    summary="Submit a desired state; the service runs it as a loop in its own process.",
    group=LOOPS,
    run=run,
    verbs=(
        SubmitLoop,
        GetSettings,
        ShowLoop,
        PreviewUpdate,
        UpdateLoop,
        GetRevision,
        GetRevisionFile,
        ListFreezes,
        ShowPolicy,
    ),
    arguments=(options.DESIRED_STATE,),
    options=(
        options.FILE,
        options.NAME,
        WAIT,
        options.MODE,
        options.INTERVAL,
        options.DRY_RUN,
        options.RUN_CHECKS,
        options.inventory("the machine of the service"),
        *options.OF_SERVED_LOOPS,
        Option(
            "priority",
            "Priority among queued loops, -100 to 100; the highest starts first.",
            NUMBER,
            at_least=-100,
            at_most=100,
            default="0",
        ),
        Option("paused", "Create the loop paused."),
    ),
    details=(
        "The desired state, the inventory, the policy and the files that a manifest names are read here, as the user "
        "who submits them, and stored with the loop. The service reads rules, programs that print an inventory, and "
        "files below /etc/ftl2-enterprise itself. Without --name, the loop is named after its file, or after "
        "`name` of a manifest from standard input, and numbered after loops of that name that have ended. If one "
        "has not ended, submit is refused, because two loops would manage the same thing: update changes that "
        "loop, and --name makes another. On a terminal, submit shows the difference and asks whether to update "
        "it. A dry run is always numbered."
    ),
    examples=(
        Example("submit -f site.yaml", "a manifest"),
        Example("submit -f -", "a manifest from standard input"),
        Example("submit -f site.yaml --mode continuous --interval 300", "and keep it converged"),
        Example('submit "nginx runs and answers on port 80" -n web --wait'),
        Example("submit -f site.yaml --dry-run --wait", "exit status 7 when something would be changed"),
    ),
    statuses=(REFUSED_STATUS,),
)
