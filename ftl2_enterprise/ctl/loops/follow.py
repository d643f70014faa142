"""Follows a loop: prints its events until it ends, or until there is nothing to wait for."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl import event_stream
from ftl2_enterprise.ctl.loops.questions import prompt_subject
from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.approvals import APPROVE, NOT_NEEDED
from ftl2_enterprise.protocol.loops.facts import (
    ApprovalRequested,
    ApprovalVoided,
    IterationStarted,
    LoopAsked,
    LoopBlocked,
    LoopCancelled,
    LoopCompleted,
    LoopFailed,
    LoopFrozen,
    LoopPaused,
    LoopRested,
    PromptAsked,
    loop_subject,
)
from ftl2_enterprise.protocol.loops.nouns import Desired, Loop, LoopState, Prompt, PromptKind
from ftl2_enterprise.protocol.loops.verbs import GetText, ListActions, ShowLoop, ShowPrompt
from ftl2_enterprise.protocol.service.verbs import ListEvents
from ftl2_enterprise.render.loops.approvals import decision_offers
from ftl2_enterprise.render.loops.exit_status import LoopExit, exit_of
from ftl2_enterprise.render.loops.fact_lines import header
from ftl2_enterprise.render.loops.narrator import Narrator
from ftl2_enterprise.render.loops.standing import ENDED, outcome_line, state_line
from ftl2_enterprise.render.loops.watched import Watched, timed
from ftl2_enterprise.render.terminal import INTERRUPTED
from ftl2_enterprise.render.text import Role, line, one_line, quoted
from ftl2_enterprise.render.view import offer

if TYPE_CHECKING:
    from ftl2_enterprise.core.event import Event
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.nouns import Action, Outcome
    from ftl2_enterprise.protocol.loops.replies import LoopDetail
    from ftl2_enterprise.protocol.text import StoredText
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.render.text import Line

    type Printer = Narrator | Watched

ENDS = (LoopCompleted, LoopFailed, LoopCancelled)
"""Facts after which a loop has ended, unless it is retried."""
STOPS = (*ENDS, LoopRested, LoopFrozen, LoopAsked, LoopPaused, LoopBlocked)
"""Facts after which a loop may have no process for some time."""
READ_BACK = 60
"""Events that are searched for the beginning of the current iteration."""


def after_call(session: CtlSession, request: Request[Any]) -> int:
    """Make the request, then follow its loop until it ends, rests, waits or is paused; returns the exit status.

    Raises Problem.
    """
    after = event_stream.cursor(session)
    reply = session.call(request)
    loop_id = reply.loop_id if isinstance(reply, Prompt) else reply.id
    if isinstance(reply, Loop) and not session.wants_json:
        # That a prompt was answered is among the events.
        session.print(state_line(reply, session.now()))
    loop = session.call(ShowLoop(loop=str(loop_id))).loop
    if loop.desired is not Desired.RUN or loop.state in ENDED:
        # It does not continue, so there is nothing to wait for.
        return _end(session, loop)
    is_approval = isinstance(reply, Prompt) and reply.kind is PromptKind.APPROVAL and reply.answer == APPROVE
    return _follow(session, loop, _narrator(session, loop), after=after, approved=reply.id if is_approval else None)


def follow(session: CtlSession, loop: Loop, *, after: int) -> int:
    """Print its events until it ends, rests, waits or is paused; returns the exit status. Raises Problem."""
    return _follow(session, loop, _narrator(session, loop), after=after)


def _follow(
    session: CtlSession,
    loop: Loop,
    printer: Printer,
    *,
    after: int,
    until_end: bool = False,
    approved: int | None = None,
) -> int:
    """`approved` is the prompt whose actions the user has approved; the status reports if that becomes void."""
    wait_for, is_void = ENDS if until_end else STOPS, False
    try:
        with closing(event_stream.events(session, subject=loop_subject(loop.id), after=after)) as events:
            for event in events:
                _print(session, printer, event)
                fact = fact_of(event)
                if isinstance(fact, ApprovalVoided) and fact.prompt_id == approved:
                    is_void = fact.reason != NOT_NEEDED
                if isinstance(fact, wait_for):
                    loop = session.call(ShowLoop(loop=str(loop.id))).loop
                    if _is_over(loop, until_end=until_end):
                        rested = fact.outcome if isinstance(fact, LoopRested) else None
                        return _end(session, loop, rested, is_void=is_void)
    except KeyboardInterrupt:
        if not session.wants_json:
            watch = session.command(f"watch {quoted(loop.name)}")
            session.print([line(), line(f"{one_line(loop.name)} continues: ", (watch, Role.COMMAND))])
        return INTERRUPTED
    return _end(session, loop)


def from_now(session: CtlSession, detail: LoopDetail) -> int:
    """Print what the current iteration did so far, then its events until it ends. Raises Problem."""
    loop = detail.loop
    page = session.call(ListEvents(subject=loop_subject(loop.id), newest=True, limit=READ_BACK))
    watched = Watched(_narrator(session, loop))
    if not session.wants_json:
        session.print(header(loop))
        begun = [n for n, event in enumerate(page.events) if isinstance(fact_of(event), IterationStarted)]
        for event in page.events[begun[-1] if begun else len(page.events) :]:
            _print(session, watched, event)
        if loop.state is LoopState.RUNNING:
            session.print([*watched.held_lines(), *timed(watched.narrator.running_lines(), session.now())])
    if loop.state in ENDED:
        return _end(session, loop)
    if not session.wants_json and loop.state is not LoopState.RUNNING:
        session.print(
            [*timed([state_line(loop, session.now(), detail.queued)], session.now()), *_answers(session, loop)]
        )
    return _follow(session, loop, watched, after=page.cursor, until_end=True)


def _is_over(loop: Loop, *, until_end: bool) -> bool:
    return loop.state in ENDED or (not until_end and loop.state not in {LoopState.PENDING, LoopState.RUNNING})


def _print(session: CtlSession, printer: Printer, event: Event) -> None:
    if session.wants_json:
        session.item(event)
    elif lines := printer.lines_of_event(event):
        session.print(lines)
        fact = fact_of(event)
        if isinstance(fact, ApprovalRequested):
            session.print(decision_offers(session, fact.prompt_id))
        if session.is_shell and isinstance(fact, PromptAsked) and session.asker is not None:
            session.asker.has_shown(prompt_subject(fact.prompt_id))


def _end(session: CtlSession, loop: Loop, rested: Outcome | None = None, *, is_void: bool = False) -> int:
    """Show where the loop is; `rested` is the outcome of the run after which it rests.

    `is_void`: what the user approved was not executed. That counts more than what the loop did instead.
    """
    status = exit_of(loop, rested)
    if is_void and status in {LoopExit.CONVERGED, LoopExit.WAITING}:
        status = LoopExit.VOID
    if session.wants_json:
        session.item(loop)
        return status
    if loop.state is LoopState.RESTING:
        session.print(state_line(loop, session.now()))
    else:
        session.print(outcome_line(loop))
    session.print(_answers(session, loop))
    return status


def _answers(session: CtlSession, loop: Loop) -> list[Line]:
    """The commands that answer its prompts, by number: without one, `answer` takes the oldest of all loops."""
    if loop.state is not LoopState.WAITING:
        return []
    asked = sorted(session.call(ShowLoop(loop=str(loop.id))).open_prompts, key=lambda one: one.id)
    return [offer(session, "answer", f"answer {prompt.id}", indent=2) for prompt in asked]


def _narrator(session: CtlSession, loop: Loop) -> Narrator:
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

    def whole(text: StoredText) -> str:
        if text.digest is None:
            return text.shown
        try:
            return session.call(GetText(digest=text.digest)).text
        except Problem:
            return text.shown

    return Narrator(lookup=action, lookup_prompt=prompt, lookup_text=whole)
