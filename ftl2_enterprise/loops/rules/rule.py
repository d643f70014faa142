"""Rules, deterministic conditions and actions that avoid model calls, and the evaluation of a condition."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.loops.rules.api import RuleApi

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Coroutine, Mapping
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.decision import ObservationSpec

__all__ = ["Rule", "RuleApi", "RuleJudgement", "RuleSet", "evaluate"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One loaded rule file."""

    name: str
    path: Path
    digest: str
    """SHA-256 of the file, in hexadecimal."""
    description: str
    """First line of the docstring."""
    source: str
    observe: tuple[ObservationSpec, ...]
    condition: Callable[[dict[str, Any]], Coroutine[Any, Any, object]]
    action: Callable[[RuleApi], Coroutine[Any, Any, object]]


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """The rules of a directory in name order, and those that are broken or disabled."""

    rules: tuple[Rule, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name and error of each file that is not a valid rule."""
    disabled: tuple[str, ...] = ()


def enabled(rules: RuleSet, disabled: Container[str]) -> RuleSet:
    """The rules without the disabled ones."""
    off = [name for name in (*(rule.name for rule in rules.rules), *rules.broken) if name in disabled]
    if not off:
        return rules
    return RuleSet(
        rules=tuple(rule for rule in rules.rules if rule.name not in disabled),
        broken={name: error for name, error in rules.broken.items() if name not in disabled},
        disabled=tuple(sorted({*rules.disabled, *off})),
    )


@dataclass(frozen=True, kw_only=True)
class RuleJudgement:
    """Whether a rule's condition holds, or why it could not be evaluated."""

    matched: bool = False
    error: str | None = None


async def evaluate(rule: Rule, state: Mapping[str, Any], timeout: float) -> RuleJudgement:  # noqa: ASYNC109
    """Evaluate the condition on a copy of the state. `timeout` is in seconds. Raises nothing but CancelledError."""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            # A condition that changes its argument must not affect later rules and the decider.
            return RuleJudgement(matched=bool(await rule.condition(copy.deepcopy(dict(state)))))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return RuleJudgement(error="the condition was cancelled from within")
    except TimeoutError as error:
        if limit.expired():
            return RuleJudgement(error=f"the condition did not end within {timeout:g} s")
        return RuleJudgement(error=error_text(error))
    except (Exception, SystemExit) as error:
        return RuleJudgement(error=error_text(error))


def error_text(error: BaseException) -> str:
    """One line: the type of the error and its message."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
