"""Rules: deterministic conditions and actions that spare the model. What they are and how a condition is judged."""

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
    """The rules of a directory in name order, and what could not be used."""

    rules: tuple[Rule, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name and error of each file that is not a rule."""
    disabled: tuple[str, ...] = ()


def enabled(rules: RuleSet, disabled: Container[str]) -> RuleSet:
    """The rules without those of these names: a person has switched them off."""
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
    """Whether a rule's condition holds, or why that could not be found out."""

    matched: bool = False
    error: str | None = None


async def evaluate(rule: Rule, state: Mapping[str, Any], timeout: float) -> RuleJudgement:  # noqa: ASYNC109
    """Judge the rule's condition on a copy of the state. Only cancelling gets out of it as an exception."""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            # A condition that changes what it is given must not change what later rules and the decider see.
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
    """One line: the kind of the error, and what it says."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
