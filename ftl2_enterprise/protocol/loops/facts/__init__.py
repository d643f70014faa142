"""The facts of loops: what is recorded about them in the event log.

The subject of each is its loop, except for rules being enabled or disabled and for trusted hosts, which concern every
loop.
"""

from __future__ import annotations

from ftl2_enterprise.protocol.fact import declare
from ftl2_enterprise.protocol.loops.facts.actions import (
    ActionDenied,
    ActionFact as ActionFact,
    ActionFailed,
    ActionLost,
    ActionPreviewed,
    ActionSkipped,
    ActionStarted,
    ActionSucceeded,
)
from ftl2_enterprise.protocol.loops.facts.approvals import (
    ApprovalAction as ApprovalAction,
    ApprovalExpired,
    ApprovalGiven,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalUsed,
    ApprovalVoided,
)
from ftl2_enterprise.protocol.loops.facts.hosts import HostTrusted
from ftl2_enterprise.protocol.loops.facts.iterations import (
    DecidedAction as DecidedAction,
    FailedObservation as FailedObservation,
    IterationChecked,
    IterationDecided,
    IterationDelayed,
    IterationEnded,
    IterationObserved,
    IterationStarted,
)
from ftl2_enterprise.protocol.loops.facts.loop import (
    LOOP as LOOP,
    EndOfRun as EndOfRun,
    LoopAnswered,
    LoopAsked,
    LoopBlocked,
    LoopCancelled,
    LoopCompleted,
    LoopConverged,
    LoopCrashed,
    LoopCreated,
    LoopDeleted,
    LoopDesired,
    LoopDrifted,
    LoopDue,
    LoopFailed,
    LoopFrozen,
    LoopHurried,
    LoopLimitsChanged,
    LoopPaused,
    LoopProcessEnded,
    LoopRested,
    LoopRetried,
    LoopStarted,
    LoopStopped as LoopStopped,
    LoopUpdated,
    loop_subject as loop_subject,
)
from ftl2_enterprise.protocol.loops.facts.models import (
    DayRaised,
    ModelAnswered,
    ModelAsked,
    ModelOverran,
    ModelQueued,
    ProviderAvailable,
    ProviderUnavailable,
)
from ftl2_enterprise.protocol.loops.facts.prompts import (
    PromptAnswered,
    PromptAsked,
    PromptDismissed,
    PromptExpired,
    PromptFact as PromptFact,
)
from ftl2_enterprise.protocol.loops.facts.rules import RuleBroken, RuleDisabled, RuleEnabled, RuleFired, RuleMatched
from ftl2_enterprise.protocol.loops.facts.state import StateChanged, StatePreviewed, StateRefused

TITLE = "Loops"
"""Title of the section in the reference."""

FACTS = declare(
    LoopCreated,
    LoopLimitsChanged,
    LoopDesired,
    LoopHurried,
    LoopDue,
    LoopRetried,
    LoopUpdated,
    LoopStarted,
    LoopAsked,
    LoopAnswered,
    LoopRested,
    LoopFrozen,
    LoopPaused,
    LoopBlocked,
    LoopCompleted,
    LoopFailed,
    LoopCancelled,
    LoopConverged,
    LoopDrifted,
    LoopCrashed,
    LoopProcessEnded,
    LoopDeleted,
    IterationStarted,
    IterationObserved,
    IterationChecked,
    IterationDelayed,
    IterationDecided,
    IterationEnded,
    ActionStarted,
    ActionSucceeded,
    ActionFailed,
    ActionPreviewed,
    ActionDenied,
    ActionSkipped,
    ActionLost,
    PromptAsked,
    PromptAnswered,
    PromptExpired,
    PromptDismissed,
    ApprovalRequested,
    ApprovalGiven,
    ApprovalRejected,
    ApprovalExpired,
    ApprovalVoided,
    ApprovalUsed,
    RuleEnabled,
    RuleDisabled,
    RuleMatched,
    RuleFired,
    RuleBroken,
    ModelQueued,
    ModelAsked,
    ModelAnswered,
    ModelOverran,
    DayRaised,
    ProviderUnavailable,
    ProviderAvailable,
    StateChanged,
    StatePreviewed,
    StateRefused,
    HostTrusted,
)
"""Every fact of loops, in the order of the reference."""
