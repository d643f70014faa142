"""What stands where a file is looked for, and is none, holds up neither control nor the writer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loop_verbs import DisableRule, ListLoops, ListRules
from tests.support.daemon import daemon

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pipe_among_the_rules_is_no_rule_and_is_not_waited_for(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "good.py").write_text("async def condition(state): ...\nasync def action(ftl): ...\n")
    os.mkfifo(rules / "pipe.py")
    with daemon(tmp_path, more=f'[loops]\nrules_dir = "{rules}"') as service:
        service.start()
        with client.connect(service.socket, 10.0) as asked:
            assert [rule.name for rule in asked.call(ListRules())] == ["good"]
            assert asked.call(DisableRule(rule="good")).enabled is False
            with pytest.raises(Problem, match="cannot find the rule"):
                asked.call(DisableRule(rule="pipe"))
            os.mkfifo(rules / "rules.json")
            (rule,) = asked.call(ListRules())
            assert "not a regular file" in (rule.error or "")
            assert asked.call(ListLoops()).loops == []
