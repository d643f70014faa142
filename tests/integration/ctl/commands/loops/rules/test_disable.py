"""Disabling a rule."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.verbs import (
    DisableRule,
)
from tests.integration.ctl.samples import RULE
from tests.support.data import builders


def test_the_rule_fires_in_no_loop(service, ctl):
    service.on(DisableRule, lambda request: builders.changed(RULE, enabled=False, name=request.rule))
    assert ctl("rules", "disable", "repair")[1] == "repair: off (fires in no loop until it is enabled)\n"
