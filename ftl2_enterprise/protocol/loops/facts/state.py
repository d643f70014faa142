"""Facts about the hosts and resources that a loop registers."""

from __future__ import annotations

from typing import ClassVar

from ftl2_enterprise.protocol.fact import LogLevel
from ftl2_enterprise.protocol.loops.facts.iterations import IterationFact


class StateChanged(IterationFact, frozen=True, tag="state.changed"):
    """The loop registered, changed or removed a host or resource."""

    op: str
    """`add_host`, `add_resource` or `remove`."""
    name: str
    """Name of the host or resource."""


class StatePreviewed(IterationFact, frozen=True, tag="state.previewed"):
    """Outside of a dry run, the loop would have registered, changed or removed a host or resource."""

    op: str
    """`add_host`, `add_resource` or `remove`."""
    name: str
    """Name of the host or resource."""


class StateRefused(IterationFact, frozen=True, tag="state.refused"):
    """A state operation on hosts or resources was invalid and was not applied."""

    level: ClassVar[LogLevel] = "warning"

    reason: str
    """Why."""
