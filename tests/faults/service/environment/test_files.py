"""Files that the service is pointed to: they block neither control nor the writer, and get no secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import LoopState
from ftl2_enterprise.protocol.loops.verbs import DisableRule, ListLoops, ListRules
from tests.support.loops.rules import write_rule
from tests.support.service.daemon import daemon

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pipe_in_the_rules_directory_does_not_block(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    write_rule(rules, "good")
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


MANIFEST = "version: 1\nname: nothing\nsteps:\n  - name: there\n    file: {path: /tmp, state: directory}\n"
PROGRAM = """#!/bin/sh
env >> {seen}
echo '{{"all": {{"hosts": ["here"]}}, "_meta": {{"hostvars": {{"here": {{"ansible_connection": "local"}}}}}}}}'
"""


def test_an_inventory_program_gets_no_variables_of_the_service_manager(tmp_path: Path) -> None:
    inventory, seen = tmp_path / "hosts", tmp_path / "seen"
    inventory.write_text(PROGRAM.format(seen=seen))
    inventory.chmod(0o755)
    with daemon(tmp_path) as service:
        service.start(env={"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"), "INVOCATION_ID": "1"})
        service.submit("nothing", MANIFEST, inventory=str(inventory))
        service.until_state("nothing", LoopState.COMPLETED)
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert "PATH" in names
    assert not names & {"CREDENTIALS_DIRECTORY", "INVOCATION_ID"}
