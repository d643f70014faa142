"""The list of rules."""

from __future__ import annotations

import json

from ftl2_enterprise.protocol.loops.verbs import (
    ListRules,
)
from tests.integration.ctl.samples import RULE


def test_rules_with_their_descriptions(service, ctl):
    service.on(ListRules, [RULE])
    assert ctl("rules")[1] == ctl("rules", "list")[1]
    assert "repairs it" in ctl("rules")[1]
    assert "loops web" in ctl("rules")[1]


def test_rules_of_a_loop(service, ctl):
    service.on(ListRules, lambda request: [RULE] if request.loop == "web" else [])
    assert "repairs it" in ctl("rules", "list", "--loop", "web")[1]
    assert ctl("rules", "list", "--loop", "mail")[1].startswith("no rule applies to mail; all rules: ")
    shown = json.loads(ctl("rules", "list", "--loop", "web", "--json")[1])
    assert shown[0]["applies_to"] == {"loops": ["web"], "labels": None, "hosts": None}


def test_no_rules(service, ctl):
    service.on(ListRules, [])
    assert ctl("rules")[1].startswith("no rules: ")
