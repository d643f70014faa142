"""Enabling a rule."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.verbs import (
    EnableRule,
)
from tests.integration.ctl.samples import RULE


def test_the_rule_may_fire(service, ctl):
    service.on(EnableRule, RULE)
    assert ctl("rules", "enable", "repair")[1] == "repair: on (may fire)\n"
    assert service.asked_for(EnableRule) == [EnableRule(rule="repair")]
