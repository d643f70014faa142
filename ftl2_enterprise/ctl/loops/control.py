"""What commands that control a loop share: the request, its reply, and how it is followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Option
from ftl2_enterprise.ctl.loops import held
from ftl2_enterprise.protocol.loops.verbs import ResumeLoop, RetryLoop, RunLoopNow, StartLoop, StopLoop
from ftl2_enterprise.render.loops.standing import state_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.verbs import CancelLoop, PauseLoop

    type Run = Callable[[CtlSession, GivenValues], int]
    type OneLoop = StartLoop | PauseLoop | ResumeLoop | StopLoop | CancelLoop | RetryLoop | RunLoopNow
    type SeveralLoops = PauseLoop | ResumeLoop | StopLoop

NOW = Option("now", "Interrupt the current step; it is recorded as unknown.")
WAIT = Option(
    "wait",
    "Follow the loop until it ends, rests, asks or is paused; the exit status reports its state.",
    short="w",
    reports_outcome=True,
)
RUNS = {StartLoop, ResumeLoop, RetryLoop, RunLoopNow}
"""Requests that let a loop run, which a freeze may prevent."""
EACH = (
    "Several loops are all tried, even if some fail; the exit status is that of the first failure. With --json, each "
    "result is one line, and a failure names its loop in `loop`."
)


def one(verb: type[OneLoop]) -> Run:
    """A command that makes this request about the loop that is given."""

    def run(session: CtlSession, given: GivenValues) -> int:
        request = verb(loop=given.text("loop"), **({"now": True} if given.has("now") else {}))
        if given.has("wait"):
            from ftl2_enterprise.ctl.loops import follow  # noqa: PLC0415 - most calls do not wait

            return follow.after_call(session, request)
        loop = session.call(request)
        is_now = given.has("now") or verb is StopLoop
        session.reply(loop, lambda: state_line(loop, session.now(), is_now=is_now))
        if verb in RUNS:
            held.show_freezes(session, loop)
        return 0

    return run


def several(name: str, verb: type[SeveralLoops]) -> Run:
    """A command that makes this request about each of the loops that are given, or about all with `--all`."""
    about_one = one(verb)

    def run(session: CtlSession, given: GivenValues) -> int:
        from ftl2_enterprise.commandline.values import GivenValues  # noqa: PLC0415 - loaded already
        from ftl2_enterprise.ctl.loops import bulk  # noqa: PLC0415 - most calls name one loop

        refs = bulk.named(session, given, name)
        if refs is None:
            return about_one(session, GivenValues({**given.values, "loop": given.many("loop")[0]}))
        return bulk.run(session, refs, verb, command=name)

    return run
