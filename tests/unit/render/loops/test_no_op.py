"""Which facts a no-op iteration consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.protocol.fact import fact_of
from ftl2_enterprise.protocol.loops.facts import (
    ActionStarted,
    IterationChecked,
    IterationDecided,
    IterationObserved,
    IterationStarted,
    LoopConverged,
    LoopDrifted,
    LoopRested,
    LoopStarted,
    PromptAsked,
)
from ftl2_enterprise.render.loops.no_op import is_no_op
from tests.support.data import builders

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.fact import Fact

FAILED = [{"name": "a", "host": "h", "error": "no route"}]


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (LoopStarted, {}, True),
        (IterationStarted, {}, True),
        (IterationObserved, {}, True),
        (IterationObserved, {"failed": FAILED}, False),
        (IterationObserved, {"denied": ["a"]}, False),
        (IterationChecked, {"held": True}, True),
        (IterationChecked, {"held": False}, False),
        (IterationDecided, {"converged": True}, True),
        (IterationDecided, {"converged": False}, False),
        (LoopConverged, {"iterations": 1, "changed": 0}, True),
        (LoopConverged, {"iterations": 1, "changed": 1}, False),
        (LoopConverged, {"iterations": 2, "changed": 0}, False),
        *((kind, {}, False) for kind in (LoopDrifted, ActionStarted, PromptAsked, LoopRested)),
    ],
)
def test_a_fact_of_a_no_op_iteration(kind: type[Fact], fields: dict[str, Any], *, expected: bool) -> None:
    assert is_no_op(fact_of(builders.event(1, kind, **fields))) is expected
