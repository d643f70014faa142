"""Candidates for loops, prompts, answers and rules; and which loops a command applies to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.ctl.completion import CompletionCandidate
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, ListRules
from ftl2_enterprise.render.loops.standing import ENDED, standing
from ftl2_enterprise.render.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl2_enterprise.ctl.completion import Names
    from ftl2_enterprise.protocol.loops.replies import LoopLine


def loops(names: Names, command: str, typed: Sequence[str]) -> list[CompletionCandidate]:
    """Names with states, of the loops that the command applies to."""
    del typed
    page = names.ask(ListLoops(finished=True))
    applies = APPLIES.get(command, _any)
    return (
        [CompletionCandidate(loop.name, standing(loop).word) for loop in page.loops if applies(loop)] if page else []
    )


def prompts(names: Names, command: str, typed: Sequence[str]) -> list[CompletionCandidate]:
    """Numbers of open prompts, oldest first, with loop and question."""
    del command, typed
    return [
        CompletionCandidate(str(one.prompt.id), f"{one_line(one.loop, 40)}: {one_line(one.prompt.question, 60)}")
        for one in sorted(names.ask(ListPrompts()) or [], key=lambda one: one.prompt.asked_at)
    ]


def answers(names: Names, command: str, typed: Sequence[str]) -> list[CompletionCandidate]:
    """The options of the prompt whose number was typed before."""
    del command
    if len(typed) != 1 or not (number := typed[0].removeprefix("#")).isdigit():
        return []
    found = names.ask(ListPrompts()) or []
    return [
        CompletionCandidate(option) for one in found if one.prompt.id == int(number) for option in one.prompt.options
    ]


def rules(names: Names, command: str, typed: Sequence[str]) -> list[CompletionCandidate]:
    """Names of rules with their descriptions."""
    del command, typed
    return [CompletionCandidate(rule.name, one_line(rule.description, 60)) for rule in names.ask(ListRules()) or []]


# --- which loops a command applies to ------------------------------------------------------------------------------


def _any(loop: LoopLine) -> bool:
    return True


def _is_halted(loop: LoopLine) -> bool:
    """Whether it is paused or stopped, or about to be."""
    return loop.state not in ENDED and loop.desired in {Desired.PAUSE, Desired.STOP}


def _can_pause(loop: LoopLine) -> bool:
    return loop.state not in {*ENDED, LoopState.BLOCKED} and loop.desired is Desired.RUN


def _can_stop(loop: LoopLine) -> bool:
    # A pause or a cancel may wait for a long step.
    is_ending = loop.desired is Desired.PAUSE or (loop.desired is Desired.CANCEL and loop.managed)
    return _can_pause(loop) or (is_ending and loop.state is LoopState.RUNNING)


def _can_resume(loop: LoopLine) -> bool:
    return loop.state is not LoopState.BLOCKED and (_is_halted(loop) or _is_left(loop))


def _can_start(loop: LoopLine) -> bool:
    return _can_retry(loop) or _is_halted(loop) or _is_left(loop)


def _is_left(loop: LoopLine) -> bool:
    """Whether it was run in the foreground and has no process."""
    return not loop.managed and loop.pid is None and loop.state not in {*ENDED, LoopState.BLOCKED}


def _can_retry(loop: LoopLine) -> bool:
    return loop.state in {LoopState.FAILED, LoopState.BLOCKED}


APPLIES: dict[str, Callable[[LoopLine], bool]] = {
    "start": _can_start,
    "pause": _can_pause,
    "resume": _can_resume,
    "stop": _can_stop,
    "cancel": lambda loop: loop.state not in ENDED and (loop.desired is not Desired.CANCEL or loop.pid is not None),
    "retry": _can_retry,
    "run-now": lambda loop: loop.state is LoopState.RESTING and loop.desired is Desired.RUN,
    "delete": lambda loop: loop.state in ENDED,
}
"""The loops that are completed for a command; for the others it would be refused, or change nothing."""


def is_of_all(loop: LoopLine, command: str) -> bool:
    """Whether the command with `--all` includes the loop; one that a foreground run left is not included."""
    return APPLIES[command](loop) and not _is_left(loop)
