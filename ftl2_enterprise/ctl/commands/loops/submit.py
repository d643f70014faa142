"""`submit`: submit a desired state to the service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import NUMBER, Command, Example, Option
from ftl2_enterprise.commandline.loops import options
from ftl2_enterprise.commandline.loops.desired_state import read_desired_state
from ftl2_enterprise.commandline.loops.sent_files import files_of
from ftl2_enterprise.commandline.loops.spec import spec_of
from ftl2_enterprise.core.problem import Problem, invalid
from ftl2_enterprise.ctl.loops.arguments import LOOPS
from ftl2_enterprise.ctl.loops.control import WAIT
from ftl2_enterprise.protocol.loops.verbs import ShowLoop, SubmitLoop
from ftl2_enterprise.protocol.service.verbs import GetSettings
from ftl2_enterprise.render.loops.standing import standing, state_line
from ftl2_enterprise.render.text import Line, Role, line, one_line, quoted
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
        return _and_follow(session, request)
    loop = session.call(request)
    session.reply(loop, lambda: _lines(session, given, loop))
    return 0


def _lines(session: CtlSession, given: GivenValues, loop: Loop) -> list[Line]:
    return [
        state_line(loop, session.now()),
        *_other_lines(session, given, loop),
        offer(session, "follow", f"watch {quoted(loop.name)}", indent=2),
    ]


def _other_lines(session: CtlSession, given: GivenValues, loop: Loop) -> list[Line]:
    """The notice that another loop has the derived name, and continues."""
    if given.maybe("name") is not None or (numbered := re.fullmatch(r"(.+)-\d+", loop.name)) is None:
        return []
    try:
        other = session.call(ShowLoop(loop=numbered[1])).loop
    except Problem:
        return []
    if other.name != numbered[1]:
        return []
    return [
        line(
            ("other loop: ", Role.FAINT), (one_line(other.name), Role.STRONG), f" ({standing(other).word})", indent=2
        ),
        offer(session, "end the other", f"cancel {quoted(other.name)}", indent=2),
    ]


def _and_follow(session: CtlSession, request: SubmitLoop) -> int:
    from ftl2_enterprise.ctl import event_stream  # noqa: PLC0415 - most calls do not wait
    from ftl2_enterprise.ctl.loops import follow  # noqa: PLC0415

    after = event_stream.cursor(session)
    loop = session.call(request)
    if not session.wants_json:
        session.print(state_line(loop, session.now()))
    return follow.follow(session, loop, after=after)


COMMAND = Command(
    summary="Submit a desired state; the service runs it as a loop in its own process.",
    group=LOOPS,
    run=run,
    verbs=(SubmitLoop, GetSettings, ShowLoop),
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
        "files below /etc/ftl2-enterprise itself."
    ),
    examples=(
        Example("submit -f site.yaml", "a manifest"),
        Example("submit -f -", "a manifest from standard input"),
        Example("submit -f site.yaml --mode continuous --interval 300", "and keep it converged"),
        Example('submit "nginx runs and answers on port 80" -n web --wait'),
        Example("submit -f site.yaml --dry-run --wait", "exit status 7 when something would be changed"),
    ),
)
