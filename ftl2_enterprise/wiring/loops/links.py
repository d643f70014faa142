"""What loops do about facts of others."""

from __future__ import annotations

from ftl2_enterprise.loops.units import freezes
from ftl2_enterprise.protocol.service.facts import ServiceThawed
from ftl2_enterprise.supervisor.control.links import Link

CONTINUE_AFTER_FREEZE = Link(name="loops.continue-after-freeze", facts=(ServiceThawed,), unit=freezes.continue_loops)
"""Loops that a freeze held continue when it has ended."""
