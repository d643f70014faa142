"""The help of options describes what a loop gets."""

from __future__ import annotations

import pytest

from ftl2_enterprise.commandline.loops import options
from ftl2_enterprise.protocol.loops.nouns import LoopSpec


@pytest.mark.parametrize(
    ("option", "field"),
    [
        (options.MAX_ITERATIONS, "max_iterations"),
        (options.INTERVAL, "interval"),
        (options.ACTION_TIMEOUT, "action_timeout"),
    ],
)
def test_the_help_names_the_default_of_a_new_loop(option: options.Option, field: str) -> None:
    default = getattr(LoopSpec(name="web", desired_state="nginx runs"), field)
    assert option.help.endswith(f"; {default:g} for a new loop.")
