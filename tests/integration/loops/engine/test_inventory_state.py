"""The inventory of the next process: hosts that were added, changed or removed by a loop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from sqlalchemy import update

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.loops.tables import loops
from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec, StateOp
from ftl2_enterprise.protocol.loops.nouns import ActionState, LoopState, Outcome
from tests.support.loops.engine import Bench, ScriptedDecider, ScriptedModules, bench, ok
from tests.support.loops.rules import write_rule
from tests.support.loops.runs import actions, deny, known

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.gate.effects import HostIdentity
    from ftl2_enterprise.loops.ports import HostEntry

DONE = Decision(converged=True)


ADD = StateOp(op="add_host", name="web1", ansible_host="10.0.0.1", ansible_user="ana", groups=["web"])


OS_RELEASE = ObservationSpec(name="os", module="command", params={"cmd": "cat /etc/os-release"}, host="web1")


OS_RELEASE_OF_9 = msgspec.structs.replace(OS_RELEASE, host="web9")


class Listed(ScriptedModules):
    """Hosts of an inventory file, with everything that the loop registers."""

    def __init__(self, *names: str) -> None:
        super().__init__(dict.fromkeys(names, ()))
        self.entries: dict[str, HostEntry] = {}

        self.removed: list[str] = []

    def identity(self, host: str) -> HostIdentity:
        return replace(super().identity(host), is_registered=host in self.entries)

    def add_host(self, entry: HostEntry) -> None:
        super().add_host(entry)
        self.entries[entry.name] = entry

    def remove_host(self, name: str) -> None:
        super().remove_host(name)
        self.removed.append(name)


def again(b: Bench, modules: ScriptedModules, *script: Decision) -> None:
    """The loop is run anew, in a process that has read the inventory anew."""
    b.modules = modules
    b.decider.script = list(script) or [DONE]
    with b.database.write() as tx:
        tx.connection.execute(update(loops).values(state=LoopState.FAILED, outcome=Outcome.FAILED))


def rule(tmp_path: Path, action: str) -> str:
    write_rule(
        tmp_path / "rules",
        "once",
        condition="return 'marker' not in state.get('_state_file', {}).get('resources', {})",
        action=f"{action}\n    ftl.state.add('marker', {{}})",
    )
    return str(tmp_path / "rules")


async def test_variables_that_a_rule_sets_for_a_host_reach_the_next_process(tmp_path):
    rules = rule(tmp_path, "ftl.add_host('web9', ansible_host='10.0.0.9', rack='r1', password='hunter2-hunter2')")
    modules, later = Listed(), Listed()
    observe = Decision(observe=[OS_RELEASE_OF_9])
    with bench(tmp_path, ScriptedDecider(observe, DONE), modules=modules, rules_dir=rules) as b:
        modules.handlers["command"] = lambda call: ok(rc=0, stdout="ID=debian\n")
        await b.run()
        assert modules.entries["web9"].vars == {"rack": "r1", "password": "hunter2-hunter2"}
        hosts, _ = known(b)
        assert hosts["web9"].facts["distribution_id"] == "debian"
        assert "hunter2" not in str(hosts)
        again(b, later)
        await b.run()
    # What was redacted when it was stored is not restored: it is not the value that the rule set.
    assert later.entries["web9"].vars == {"rack": "r1"}
    assert later.entries["web9"].ansible_host == "10.0.0.9"


@pytest.mark.parametrize(
    "variable",
    [
        "ansible_python_interpreter",
        "ANSIBLE_PYTHON_INTERPRETER",
        "ansible_ssh_common_args",
        "ansible_ssh_extra_args",
        "ansible_ssh_executable",
        "ansible_become_exe",
        "ansible_become_flags",
        "ansible_shell_executable",
    ],
)
async def test_a_rule_sets_no_variable_that_names_a_program(tmp_path, variable):
    rules = rule(tmp_path, f"ftl.add_host('web9', ansible_connection='local', {variable}='/tmp/evil')")
    modules = Listed()
    with bench(tmp_path, ScriptedDecider(DONE), modules=modules, rules_dir=rules) as b:
        await b.run()
        hosts, _ = known(b)
        refused = [one["reason"] for one in b.data("state.refused")]
    assert "web9" not in modules.groups
    assert "web9" not in hosts
    (reason,) = refused
    assert reason.startswith(f"cannot add the host 'web9': only an inventory may set {variable}, which can make")


async def test_host_variables_in_the_answer_of_a_decider_are_ignored(tmp_path):
    op = msgspec.structs.replace(ADD, data={"ansible_connection": "local"})
    modules = Listed()
    with bench(tmp_path, ScriptedDecider(Decision(state_ops=[op]), DONE), modules=modules) as b:
        await b.run()
        hosts, _ = known(b)
    assert modules.entries["web1"].vars == {}
    assert hosts["web1"].facts == {}


async def test_a_host_of_the_inventory_that_was_removed_stays_away_until_it_is_added_again(tmp_path):
    modules, later, latest = Listed("web1", "web2"), Listed("web1", "web2"), Listed("web1", "web2")
    removed = Decision(state_ops=[StateOp(op="remove", name="web1")])
    with bench(tmp_path, ScriptedDecider(removed, DONE), modules=modules) as b:
        await b.run()
        assert "web1" not in modules.groups
        assert known(b)[0] == {}
        again(b, later, Decision(state_ops=[ADD]), DONE)
        await b.run()
        assert later.removed == ["web1"]
        again(b, latest, DONE)
        await b.run()
    assert latest.removed == []
    assert latest.entries["web1"].ansible_host == "10.0.0.1"


async def test_a_host_that_the_inventory_refuses_is_not_stored(tmp_path):
    modules = Listed()

    def refuse(entry):
        raise invalid(f"cannot use the host {entry.name}: its ansible_port 'x' is not a port")

    modules.add_host = refuse
    with bench(tmp_path, ScriptedDecider(Decision(state_ops=[ADD]), DONE), modules=modules) as b:
        loop = await b.run()
        assert known(b)[0] == {}
        assert [one["reason"] for one in b.data("state.refused")] == [
            "cannot use the host web1: its ansible_port 'x' is not a port"
        ]
    assert loop.outcome is Outcome.CONVERGED


async def test_a_dry_run_records_what_it_would_register_and_registers_nothing(tmp_path):
    modules = Listed()
    resource = StateOp(op="add_resource", name="vm", data={"id": "1"})
    script = ScriptedDecider(Decision(state_ops=[ADD, resource]))
    with bench(tmp_path, script, modules=modules, dry_run=True) as b:
        loop = await b.run()
        assert known(b) == ({}, {})
        assert b.data("state.previewed") == [
            {"op": "add_host", "name": "web1"},
            {"op": "add_resource", "name": "vm"},
        ]
        assert b.data("state.changed") == []
    assert modules.entries == {}
    assert loop.outcome is Outcome.PREVIEWED


async def test_a_dry_run_shows_what_a_rule_would_do_on_the_host_that_it_would_add(tmp_path):
    rules = rule(
        tmp_path,
        "ftl.add_host('web9', ansible_host='10.0.0.9')\n    await ftl['web9'].copy(dest='/x', content='')",
    )
    modules = Listed()
    with bench(tmp_path, ScriptedDecider(DONE), modules=modules, rules_dir=rules, dry_run=True) as b:
        await b.run()
        (action,) = actions(b)
        assert known(b)[0] == {}
    assert (action.host, action.state) == ("web9", ActionState.PREVIEWED)
    assert (
        action.diff.shown
        == "not known what it would change: a dry run does not connect to a host that it would register"
    )
    assert modules.calls + modules.compared == []


async def test_what_policy_denies_is_not_shown_as_what_a_dry_run_would_register(tmp_path):
    policy = deny(tmp_path, "add_host")
    with bench(tmp_path, ScriptedDecider(Decision(state_ops=[ADD])), policy=policy, dry_run=True) as b:
        await b.run()
        assert b.data("state.previewed") == []
        assert len(b.data("state.refused")) == 1
