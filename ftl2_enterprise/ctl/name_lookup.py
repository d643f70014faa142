"""Names for completion, asked of the service when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl.completion import Candidate
from ftl2_enterprise.ctl.loop_text import FINAL, standing
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState
from ftl2_enterprise.protocol.loops.verbs import ListLoops, ListPrompts, ListRules
from ftl2_enterprise.protocol.service.verbs import GetSettings
from ftl2_enterprise.render.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ftl2_enterprise.ctl.session import Session
    from ftl2_enterprise.protocol.loops.replies import LoopLine, PromptLine, RuleInfo
    from ftl2_enterprise.protocol.verb import Request

TIMEOUT = 2.0
"""Seconds; who presses Tab does not wait longer."""


class AskedNames:
    """Each is asked for when it is wanted; nothing when the service does not answer."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def loops(self, command: str = "") -> list[Candidate]:
        """Names of loops, also of those that have ended."""
        page = self._ask(ListLoops(finished=True))
        return loop_candidates(page.loops, command) if page is not None else []

    def prompts(self) -> list[Candidate]:
        """Open prompts."""
        return prompt_candidates(self._ask(ListPrompts()) or [])

    def rules(self) -> list[Candidate]:
        """Rules."""
        return rule_candidates(self._ask(ListRules()) or [])

    def answers(self, prompt: int) -> list[Candidate]:
        """Options of a prompt."""
        return answer_candidates(self._ask(ListPrompts()) or [], prompt)

    def settings(self) -> list[Candidate]:
        """Keys of settings."""
        return setting_candidates(one.key for one in self._ask(GetSettings()) or [])

    def _ask[R](self, request: Request[R]) -> R | None:
        try:
            return self._session.call(request, timeout=TIMEOUT)
        except Problem:
            return None


def loop_candidates(loops: Iterable[LoopLine], command: str = "") -> list[Candidate]:
    """Names, with where each loop stands; only of those about which the command would do something."""
    is_meant = MEANT.get(command, _any)
    return [Candidate(loop.name, standing(loop).word) for loop in loops if is_meant(loop)]


def _any(loop: LoopLine) -> bool:
    return True


def _is_halted(loop: LoopLine) -> bool:
    """Whether it is, or is about to be, paused or stopped."""
    return loop.state not in FINAL and loop.desired in {Desired.PAUSE, Desired.STOP}


def _can_pause(loop: LoopLine) -> bool:
    return loop.state not in {*FINAL, LoopState.BLOCKED} and loop.desired is Desired.RUN


def _can_stop(loop: LoopLine) -> bool:
    # A pause or a cancel may take until the step in hand is done.
    is_ending = loop.desired is Desired.PAUSE or (loop.desired is Desired.CANCEL and loop.managed)
    return _can_pause(loop) or (is_ending and loop.state is LoopState.RUNNING)


def _can_resume(loop: LoopLine) -> bool:
    return loop.state is not LoopState.BLOCKED and (_is_halted(loop) or _is_left(loop))


def _can_start(loop: LoopLine) -> bool:
    return _can_retry(loop) or _is_halted(loop) or _is_left(loop)


def _is_left(loop: LoopLine) -> bool:
    """Whether a foreground run has left it."""
    return not loop.managed and loop.pid is None and loop.state not in {*FINAL, LoopState.BLOCKED}


def _can_retry(loop: LoopLine) -> bool:
    return loop.state in {LoopState.FAILED, LoopState.BLOCKED}


MEANT: dict[str, Callable[[LoopLine], bool]] = {
    "start": _can_start,
    "pause": _can_pause,
    "resume": _can_resume,
    "stop": _can_stop,
    "cancel": lambda loop: loop.state not in FINAL and (loop.desired is not Desired.CANCEL or loop.pid is not None),
    "retry": _can_retry,
    "run-now": lambda loop: loop.state is LoopState.RESTING and loop.desired is Desired.RUN,
    "delete": lambda loop: loop.state in FINAL,
}
"""Which loops a command is about; the service refuses the others, or has nothing to do for them."""


def is_of_all(loop: LoopLine, command: str) -> bool:
    """Whether the command with `--all` is about the loop, too: nothing that a foreground run has left."""
    return MEANT[command](loop) and not _is_left(loop)


def setting_candidates(keys: Iterable[str]) -> list[Candidate]:
    """Each key behind the section that it is in."""
    every = list(keys)
    sections = {key.partition(".")[0]: f"all that begin with {key.partition('.')[0]}." for key in every if "." in key}
    return [*(Candidate(name, about) for name, about in sections.items()), *map(Candidate, every)]


def prompt_candidates(prompts: Iterable[PromptLine]) -> list[Candidate]:
    """Numbers, oldest first, with loop and question."""
    return [
        Candidate(str(one.prompt.id), f"{one_line(one.loop, 40)}: {one_line(one.prompt.question, 60)}")
        for one in sorted(prompts, key=lambda one: one.prompt.asked_at)
    ]


def rule_candidates(rules: Iterable[RuleInfo]) -> list[Candidate]:
    """Names, with what they are for."""
    return [Candidate(rule.name, one_line(rule.description, 60)) for rule in rules]


def answer_candidates(prompts: Iterable[PromptLine], prompt_id: int) -> list[Candidate]:
    """The options of one of the prompts."""
    options: list[Any] = [option for one in prompts if one.prompt.id == prompt_id for option in one.prompt.options]
    return [Candidate(str(option)) for option in options]
