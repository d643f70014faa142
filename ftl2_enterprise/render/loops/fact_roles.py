"""The roles of facts of loops in the event log, where they are not those of their levels."""

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

ROLES: dict[type[Fact], Role] = {
    **dict.fromkeys((LoopConverged, LoopCompleted, ActionSucceeded), Role.GOOD),
    **dict.fromkeys((LoopAsked, PromptAsked, ModelAsked, LoopDrifted, ActionLost, PromptExpired), Role.WARNING),
    ActionDenied: Role.BAD,
}
