"""Warnings about a policy file that is given, and not that of a loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.sent_files import SentFile
from ftl2_enterprise.protocol.loops.verbs import ShowPolicy
from ftl2_enterprise.wiring.loops import policy_check
from ftl2_enterprise.wiring.settings import MODEL

POLICY = """
rules:
  - {decision: deny, match: {module: copy, param.desst: /etc/*}}
  - {decision: deny, match: {host: prod}}
  - {decision: ask, match: {host: staging}, group: no-such-group}
"""
EXPECTED = [
    "given rule 1 (policy.yml line 3): copy is not known to have a parameter 'desst'; did you mean dest?",
    "given rule 3 (policy.yml line 5): this system has no group 'no-such-group', so that no person can agree",
    "given rule 3 (policy.yml line 5): no inventory has a host, a group or an address 'staging'",
]


def test_a_policy_and_an_inventory_that_are_given(tmp_path: Path) -> None:
    policy, inventory, config = (str(tmp_path / name) for name in ("policy.yml", "hosts.yml", "config.toml"))
    Path(config).write_text("[policy]\ndirectory = ''\n")
    settings = MODEL.load(config=Path(config), environ={"HOME": str(tmp_path)}).settings
    hosts = "prod:\n  hosts:\n    a: {}\n"
    sent = [SentFile(path=policy, content=POLICY), SentFile(path=inventory, content=hosts)]
    request = ShowPolicy(policy=policy, inventory=inventory, files=sent)
    assert policy_check.in_force(request, settings, None, in_service=True).warnings == EXPECTED
    (tmp_path / "policy.yml").write_text(POLICY)
    (tmp_path / "hosts.yml").write_text(hosts)
    request = ShowPolicy(policy=policy, inventory=inventory)
    assert policy_check.in_force(request, settings, None).warnings == EXPECTED
    # A user who may only view cannot make the service read files.
    for unsent in (ShowPolicy(policy=policy), ShowPolicy(inventory=inventory)):
        with pytest.raises(Problem, match="its content was not sent"):
            policy_check.in_force(unsent, settings, None, in_service=True)
