"""What moves a loop: start, pause, resume, stop, cancel, retry, run-now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.loop_text import standing, why
from ftl2_enterprise.ctl.parsing import Given
from ftl2_enterprise.ctl.registry import LOOP, LOOPS, WHOLE_LOOP, Command, Example, Flag, Group
from ftl2_enterprise.protocol.loops.nouns import Desired, Loop, LoopState
from ftl2_enterprise.protocol.loops.verbs import (
    CancelLoop,
    ListLoops,
    PauseLoop,
    ResumeLoop,
    RetryLoop,
    RunLoopNow,
    StartLoop,
    StopLoop,
)
from ftl2_enterprise.render.text import Line, Role, line, one_line, symbol

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.replies import Queued

type Steering = StartLoop | PauseLoop | ResumeLoop | StopLoop | CancelLoop | RetryLoop | RunLoopNow

NOW = Flag("now", "Do not let it finish the step in hand: that is cut off and recorded as unknown.")
WAIT = Flag("wait", "Follow the loop until it ends, rests, waits or is paused; the status tells how.", short="w")
ALL = {
    "pause": "Every loop that runs, rests, waits or is about to.",
    "resume": "Every loop that was paused or stopped, whoever did it.",
    "stop": "Every loop that runs, rests, waits or is about to; also those that are being paused or cancelled.",
}
EACH = (
    "Of several loops each is tried, whatever becomes of the others, and the status is that of the first failure; "
    "with --json each is one line then, a failure with its loop in `loop`."
)


def _steer_each(name: str, verb: type[PauseLoop | ResumeLoop | StopLoop]) -> Callable[[Session, Given], int]:
    one = _steer(verb)

    def run(session: Session, given: Given) -> int:
        from ftl2_enterprise.ctl import bulk  # noqa: PLC0415 - mostly it is one loop

        refs = bulk.named(session, given, name)
        if refs is None:
            return one(session, Given({**given.values, "loop": given.many("loop")[0]}))
        return bulk.run(session, refs, verb, lambda loop: told(session, loop, is_now=verb is StopLoop), command=name)

    return run


def _steer(verb: type[Steering]) -> Callable[[Session, Given], int]:
    def run(session: Session, given: Given) -> int:
        request = verb(loop=given.text("loop"), **({"now": True} if given.has("now") else {}))
        if given.has("wait"):
            from ftl2_enterprise.ctl import follow  # noqa: PLC0415

            return follow.after_call(session, request)
        loop = session.call(request)
        session.reply(loop, lambda: told(session, loop, is_now=given.has("now") or verb is StopLoop))
        return 0

    return run


def told(session: Session, loop: Loop, queued: Queued | None = None, *, is_now: bool = False) -> Line:
    """What is going to be true of the loop, or is already."""
    where, reason = standing(loop, queued), why(loop, session.now(), queued)
    if loop.state is LoopState.RUNNING and loop.desired in {Desired.PAUSE, Desired.CANCEL}:
        reason = "its step in hand is cut off" if is_now else "it finishes the step in hand first"
    return line(
        symbol(where.symbol, where.role),
        (one_line(loop.name), Role.STRONG),
        ": ",
        (where.word, where.role),
        f" ({reason})" if reason else "",
    )


def _command(
    name: str,
    summary: str,
    verb: type[StartLoop | CancelLoop | RetryLoop | RunLoopNow],
    details: str = "",
    *,
    wait: bool = False,
) -> Command:
    return Command(
        name=name,
        summary=summary,
        group=Group.LOOPS,
        run=_steer(verb),
        verbs=(verb,),
        arguments=(WHOLE_LOOP if verb is CancelLoop else LOOP,),
        flags=((WAIT,) if wait else ()) + ((NOW,) if verb is CancelLoop else ()),
        details=details,
        examples=(
            Example(f"{name} web"),
            *((Example(f"{name} web --wait"),) if wait else ()),
            *((Example(f"{name} web --now", "also when it is being cancelled"),) if verb is CancelLoop else ()),
        ),
    )


def _command_for_several(
    name: str,
    summary: str,
    verb: type[PauseLoop | ResumeLoop | StopLoop],
    details: str = "",
    *,
    wait: bool = False,
) -> Command:
    return Command(
        name=name,
        summary=summary,
        group=Group.LOOPS,
        run=_steer_each(name, verb),
        verbs=(verb, ListLoops),
        arguments=(LOOPS,),
        flags=((WAIT,) if wait else ()) + (Flag("all", ALL[name], short="a"),),
        details=f"{details} {EACH}".strip(),
        examples=(
            Example(f"{name} web"),
            *((Example(f"{name} web --wait"),) if wait else ()),
            Example(f"{name} web db"),
            Example(f"{name} --all"),
        ),
    )


COMMANDS = (
    _command(
        "start",
        "Run a loop: a new one, a paused one, a blocked one, or one that a foreground run has left.",
        StartLoop,
        wait=True,
    ),
    _command_for_several(
        "pause", "Let a loop finish the step in hand, then wait.", PauseLoop, "`resume` lets it go on."
    ),
    _command_for_several(
        "resume", "Let a paused or stopped loop go on from the step where it was.", ResumeLoop, wait=True
    ),
    _command_for_several(
        "stop",
        "End a loop's process now.",
        StopLoop,
        "The step in hand is cut off and recorded as unknown. The loop can be started again; `pause` is gentler. "
        "A loop that is being cancelled stays so, and is cancelled now.",
    ),
    _command(
        "cancel",
        "Give a loop up for good: it cannot be started again.",
        CancelLoop,
        "After the step in hand nothing more is done. What it changed stays; `delete` removes its record.",
    ),
    _command("retry", "Run a failed or blocked loop once more.", RetryLoop, wait=True),
    _command("run-now", "Let a resting loop look now instead of at its next run.", RunLoopNow, wait=True),
)
