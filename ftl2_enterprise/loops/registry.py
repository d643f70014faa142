"""Imports every unit of work of loops: a process that carries out what others hand over has to know them all."""

from __future__ import annotations

from ftl2_enterprise.loops import (
    store_calls,
    store_prompts,
    units,
    units_actions,
    units_claim,
    units_observations,
    units_state,
)

MODULES = (store_calls, store_prompts, units, units_actions, units_claim, units_observations, units_state)
