"""Shows a loop going on, event by event, until there is nothing more to wait for."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl import event_stream
from ftl2_enterprise.ctl.commands.steering import told
from ftl2_enterprise.ctl.loop_text import FINAL
from ftl2_enterprise.ctl.tokenizer import word
from ftl2_enterprise.ctl.watch_view import Watched, timed
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.facts import (
    IterationStarted,
    LoopAsked,
    LoopBlocked,
    LoopCancelled,
    LoopCompleted,
    LoopFailed,
    LoopPaused,
    LoopRested,
    PromptAsked,
)
from ftl2_enterprise.protocol.loops.nouns import Desired, Loop, LoopState, Prompt
from ftl2_enterprise.protocol.loops.verbs import ListActions, ShowLoop, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import ListEvents
from ftl2_enterprise.render.exit_status import exit_of
from ftl2_enterprise.render.loops.narrator import Narrator, header
from ftl2_enterprise.render.loops.state_words import outcome_line
from ftl2_enterprise.render.text import Role, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.nouns import Action
    from ftl2_enterprise.protocol.loops.replies import LoopDetail
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.render.text import Line

    type Teller = Narrator | Watched

INTERRUPTED = 130
ENDS = (LoopCompleted, LoopFailed, LoopCancelled)
"""Facts after which a loop has ended, unless it is retried."""
STOPS = (*ENDS, LoopRested, LoopAsked, LoopPaused, LoopBlocked)
"""Facts after which a loop may have nothing to do."""
LOOKED_BACK = 60
"""Events in which the beginning of the present iteration is looked for."""


def after_call(session: Session, request: Request[Any]) -> int:
    """Make the call, then follow its loop until it ends, rests, waits or is paused; how it stands as a status.

    Raises Problem.
    """
    after = event_stream.cursor(session)
    reply = session.call(request)
    loop_id = reply.loop_id if isinstance(reply, Prompt) else reply.id
    if isinstance(reply, Loop) and not session.wants_json:
        # That a prompt was answered is told by the events.
        session.print(told(session, reply))
    loop = session.call(ShowLoop(loop=str(loop_id))).loop
    if loop.desired is not Desired.RUN or loop.state in FINAL:
        # It does not go on, so there is nothing to wait for.
        return _end(session, loop)
    return follow(session, loop, after=after)


def follow(session: Session, loop: Loop, *, after: int) -> int:
    """Tell its events until it ends, rests, waits or is paused. Raises Problem."""
    return _follow(session, loop, _narrator(session, loop), after=after)


def _follow(session: Session, loop: Loop, teller: Teller, *, after: int, for_ever: bool = False) -> int:
    wait_for = ENDS if for_ever else STOPS
    try:
        with closing(event_stream.events(session, loop=str(loop.id), after=after)) as events:
            for event in events:
                _tell(session, teller, event)
                if isinstance(fact_of(event), wait_for):
                    loop = session.call(ShowLoop(loop=str(loop.id))).loop
                    if _is_over(loop, for_ever=for_ever):
                        return _end(session, loop)
    except KeyboardInterrupt:
        if not session.wants_json:
            name = one_line(loop.name)
            watch = session.command(f"watch {word(loop.name)}")
            session.print([line(), line(f"{name} goes on alone: ", (watch, Role.COMMAND))])
        return INTERRUPTED
    return _end(session, loop)


def from_now(session: Session, detail: LoopDetail) -> int:
    """Tell what the present iteration did so far, then what happens. Raises Problem."""
    loop = detail.loop
    page = session.call(ListEvents(loop=str(loop.id), newest=True, limit=LOOKED_BACK))
    watched = Watched(_narrator(session, loop))
    if not session.wants_json:
        session.print(header(loop))
        begun = [n for n, event in enumerate(page.events) if isinstance(fact_of(event), IterationStarted)]
        for event in page.events[begun[-1] if begun else len(page.events) :]:
            _tell(session, watched, event)
        if loop.state is LoopState.RUNNING:
            session.print([*watched.so_far(), *timed(watched.narrator.in_hand(), session.now())])
    if loop.state in FINAL:
        return _end(session, loop)
    if not session.wants_json and loop.state is not LoopState.RUNNING:
        session.print([*timed([told(session, loop, detail.queued)], session.now()), *_answers(session, loop)])
    return _follow(session, loop, watched, after=page.cursor, for_ever=True)


def _is_over(loop: Loop, *, for_ever: bool) -> bool:
    return loop.state in FINAL or (not for_ever and loop.state not in {LoopState.PENDING, LoopState.RUNNING})


def _tell(session: Session, teller: Teller, event: Event) -> None:
    if session.wants_json:
        session.item(event)
    elif lines := teller.tell(event):
        session.print(lines)
        fact = fact_of(event)
        if session.is_shell and isinstance(fact, PromptAsked) and session.asker is not None:
            session.asker.has_shown(fact.prompt_id)


def _end(session: Session, loop: Loop) -> int:
    if session.wants_json:
        session.item(loop)
        return exit_of(loop)
    if loop.state is LoopState.RESTING:
        session.print(told(session, loop))
    else:
        session.print(outcome_line(loop))
    session.print(_answers(session, loop))
    return exit_of(loop)


def _answers(session: Session, loop: Loop) -> list[Line]:
    """How to answer what this loop asks; without a number it would be the oldest prompt of any loop."""
    if loop.state is not LoopState.WAITING:
        return []
    asked = sorted(session.call(ShowLoop(loop=str(loop.id))).open_prompts, key=lambda one: one.id)
    return [session.offer("answer", f"answer {prompt.id}", indent=2) for prompt in asked]


def _narrator(session: Session, loop: Loop) -> Narrator:
    def action(action_id: int) -> Action | None:
        try:
            found = session.call(ListActions(loop=str(loop.id), before=action_id + 1, limit=1)).actions
        except Problem:
            return None
        return found[0] if found and found[0].id == action_id else None

    def prompt(prompt_id: int) -> Prompt | None:
        try:
            return session.call(ShowPrompt(prompt=prompt_id)).prompt
        except Problem:
            return None

    return Narrator(lookup=action, lookup_prompt=prompt)
