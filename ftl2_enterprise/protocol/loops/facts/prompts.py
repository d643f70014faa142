"""Facts about prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ftl2_enterprise.core.clock import Instant
from ftl2_enterprise.protocol.fact import Fact, LogLevel
from ftl2_enterprise.protocol.loops.facts.iterations import ITERATION


class PromptFact(Fact, frozen=True):
    """Something that happened to a prompt."""

    log_names: ClassVar[Mapping[str, str]] = ITERATION
    for_programs: ClassVar[frozenset[str]] = frozenset(ITERATION)

    iteration_id: int
    """The iteration that asks."""
    prompt_id: int
    """The prompt."""


class PromptAsked(PromptFact, frozen=True, tag="prompt.asked"):
    """A question was put to people."""

    for_programs: ClassVar[frozenset[str]] = PromptFact.for_programs | {"secret"}

    question: str
    """The question."""
    options: list[str] = []
    """The accepted answers; empty: any text."""
    default: str | None = None
    """The answer if the deadline passes; null: none."""
    context: str | None = None
    """Why it is asked."""
    deadline_at: Instant | None = None
    """When the prompt expires; null: never."""
    secret: bool = False
    """Whether the answer is a secret."""
    model: str | None = None
    """The model that asks, such as `claude`; its question, options and context are untrusted text. Null: no model."""


class PromptAnswered(PromptFact, frozen=True, tag="prompt.answered"):
    """A prompt was answered."""

    wakes: ClassVar[bool] = True

    answer: str
    """The answer; of a secret, a mask."""
    answered_by: str | None = None
    """A person; or `default` after the deadline; or `default, dismissed by` and a person."""


class PromptExpired(PromptFact, frozen=True, tag="prompt.expired"):
    """The deadline of a prompt without a default passed; nothing counts as its answer."""

    level: ClassVar[LogLevel] = "warning"

    unattended: bool = False
    """It was closed before the deadline: it asks for an approval, and the run cannot ask a person."""


class PromptDismissed(PromptFact, frozen=True, tag="prompt.dismissed"):
    """A prompt without a default was dismissed, or any was withdrawn; nothing counts as its answer."""

    wakes: ClassVar[bool] = True

    withdrawn: str | None = None
    """Why it was withdrawn, such as a change of the desired state; null if a person dismissed it."""
    dismissed_by: str | None = None
    """The person who dismissed it."""
