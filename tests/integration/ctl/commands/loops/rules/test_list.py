"""The list of rules."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.verbs import (
    ListRules,
)
from tests.integration.ctl.samples import RULE


def test_rules_with_their_descriptions(service, ctl):
    service.on(ListRules, [RULE])
    assert ctl("rules")[1] == ctl("rules", "list")[1]
    assert "repairs it" in ctl("rules")[1]


def test_no_rules(service, ctl):
    service.on(ListRules, [])
    assert ctl("rules")[1].startswith("no rules: ")
