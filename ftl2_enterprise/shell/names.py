"""Names for completion, asked of the service when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loop_verbs import ListLoops, ListPrompts, ListRules
from ftl2_enterprise.shell.completion import Candidate
from ftl2_enterprise.shell.loop_words import standing
from ftl2_enterprise.terminal.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.protocol.loop_replies import LoopLine, PromptLine, RuleInfo
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.shell.session import Session

TIMEOUT = 2.0
"""Seconds; who presses Tab does not wait longer."""


class AskedNames:
    """Each is asked for when it is wanted; nothing when the service does not answer."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def loops(self) -> list[Candidate]:
        """Names of loops, also of those that have ended."""
        page = self._ask(ListLoops(finished=True))
        return loop_candidates(page.loops) if page is not None else []

    def prompts(self) -> list[Candidate]:
        """Open prompts."""
        return prompt_candidates(self._ask(ListPrompts()) or [])

    def rules(self) -> list[Candidate]:
        """Rules."""
        return rule_candidates(self._ask(ListRules()) or [])

    def answers(self, prompt: int) -> list[Candidate]:
        """Options of a prompt."""
        return answer_candidates(self._ask(ListPrompts()) or [], prompt)

    def _ask[R](self, request: Request[R]) -> R | None:
        try:
            return self._session.call(request, timeout=TIMEOUT)
        except Problem:
            return None


def loop_candidates(loops: Iterable[LoopLine]) -> list[Candidate]:
    """Names, with where each loop stands."""
    return [Candidate(loop.name, standing(loop).word) for loop in loops]


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
