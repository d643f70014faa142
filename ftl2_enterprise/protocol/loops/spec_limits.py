"""The limits of the values in a new loop's specification, for commands and for the service.

They are no part of the type: a stored loop, which an earlier version accepted, must stay readable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.number_limits import Limits, check_limits
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.quantities import LARGEST_COST, LARGEST_TOKENS, LONGEST_DURATION
from ftl2_enterprise.protocol.loops.labels import check_labels

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import LoopSpec

DURATION = Limits(above=0, at_most=LONGEST_DURATION)
ITERATIONS = Limits(at_least=1, at_most=1_000_000)
ASK_DELAY = Limits(at_least=0, at_most=1_000_000)
COST = Limits(at_least=0, at_most=LARGEST_COST)
"""US dollars."""
TOKENS = Limits(at_least=0, at_most=LARGEST_TOKENS)
LIMITS = {
    "max_iterations": ITERATIONS,
    "interval": DURATION,
    "max_ask_delay": ASK_DELAY,
    "max_cost": COST,
    "max_tokens": TOKENS,
    "action_timeout": DURATION,
    "prompt_timeout": DURATION,
}
"""By field of `LoopSpec`."""
LONGEST_TEXT = 4096
"""Characters of every text but the desired state, which may be a manifest: of paths, names and secret bindings."""


def check_spec(spec: LoopSpec) -> None:
    """Raises Problem(invalid) for the first number outside its limits, too long text, or label that is not valid."""
    for name, limits in LIMITS.items():
        value = getattr(spec, name)
        if value is not None:
            check_limits(value, limits, name)
    check_labels(spec.labels)
    texts = {name: getattr(spec, name) for name in spec.__struct_fields__ if name != "desired_state"}
    texts |= {f"secrets[{at}]": text for at, text in enumerate(spec.secrets)}
    for name, text in texts.items():
        if isinstance(text, str) and len(text) > LONGEST_TEXT:
            raise invalid(f"cannot take {len(text)} characters for {name}", f"it must have at most {LONGEST_TEXT}")
