"""The roles of facts in the event log: what went well, what needs attention, what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.facts import (
    ActionDenied,
    ActionLost,
    ActionSucceeded,
    LoopAsked,
    LoopCompleted,
    LoopConverged,
    LoopDrifted,
    ModelAsked,
    PromptAsked,
    PromptExpired,
)
from ftl2_enterprise.render.text import Role

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.fact import Fact


def role_of(fact: Fact) -> Role:
    """The role of a fact; those of other capabilities have the role of their level."""
    match fact:
        case LoopConverged() | LoopCompleted() | ActionSucceeded():
            return Role.GOOD
        case LoopAsked() | PromptAsked() | ModelAsked() | LoopDrifted() | ActionLost() | PromptExpired():
            return Role.WARNING
        case ActionDenied():
            return Role.BAD
        case _:
            return Role.BAD if fact.level in {"warning", "error"} else Role.ACCENT
