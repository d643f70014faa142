"""No-op iterations: everything was in place, and nothing was changed. Displays fold them into a line or a count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.protocol.loops.facts import (
    IterationChecked,
    IterationDecided,
    IterationObserved,
    IterationStarted,
    LoopConverged,
    LoopStarted,
)

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.fact import Fact


def is_no_op(fact: Fact) -> bool:
    """Whether the fact is one of those that a no-op iteration consists of, from its start to its convergence."""
    match fact:
        case LoopStarted() | IterationStarted():
            return True
        case IterationObserved():
            return not fact.failed and not fact.denied
        case IterationChecked():
            return fact.held
        case IterationDecided():
            return fact.converged
        case LoopConverged():
            return not fact.changed and not fact.left_out and fact.iterations == 1
        case _:
            return False
