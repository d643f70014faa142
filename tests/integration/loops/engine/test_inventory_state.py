"""What a loop is told to know, and what it knows of hosts, is neither dropped nor overwritten by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sqlalchemy import update

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.loops.rows import hosts as host_rows, loops as loop_rows
from ftl2_enterprise.loops.tables import loops
from ftl2_enterprise.protocol.loops.decision import (
    ActionSpec,
    Ask,
    Decision,
    ObservationSpec,
    StateOp,
)
from ftl2_enterprise.protocol.loops.nouns import LoopSpec, LoopState, Outcome
from tests.support.engine import Bench, ScriptedDecider, ScriptedModules, ScriptedPeople, bench, ok
from tests.support.rules import write_rule

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.loops.ports import HostEntry

DONE = Decision(converged=True)
ADD = StateOp(op="add_host", name="web1", ansible_host="10.0.0.1", ansible_user="ana", groups=["web"])
LB = StateOp(op="add_resource", name="lb", data={"id": 7})
OS_RELEASE = ObservationSpec(name="os", module="command", params={"cmd": "cat /etc/os-release"}, host="web1")
OS_RELEASE_OF_9 = msgspec.structs.replace(OS_RELEASE, host="web9")
SETUP = ObservationSpec(name="setup", module="setup", host="web1")


def known(b: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hosts and resources of the loop by name."""
    with b.database.read() as tx:
        return (
            {host.name: host for host in host_rows.get_hosts(tx, b.loop_id)},
            {one.name: one.data for one in host_rows.get_resources(tx, b.loop_id)},
        )


# --- state operations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "decision",
    [
        Decision(state_ops=[ADD, LB]),
        Decision(state_ops=[ADD, LB], observe=[ObservationSpec(name="x", module="stat")]),
        Decision(state_ops=[ADD, LB], actions=[ActionSpec(module="touch")]),
        Decision(state_ops=[ADD, LB], ask=Ask(question="Which port?", options=["80"])),
        Decision(state_ops=[ADD, LB], converged=True),
        Decision(state_ops=[ADD, LB], blocked="no such disk"),
    ],
    ids=["alone", "observe", "actions", "ask", "converged", "blocked"],
)
async def test_state_operations_count_whatever_they_come_with(tmp_path, decision):
    modules = ScriptedModules()
    people = ScriptedPeople(["80"])
    with bench(tmp_path, ScriptedDecider(decision, DONE), modules=modules, people=people) as b:
        await b.run()
        hosts, resources = known(b)
    assert hosts["web1"].ansible_user == "ana"
    assert resources == {"lb": {"id": 7}}
    assert "web1" in modules.groups


async def test_state_operations_with_a_question_count_once_although_it_is_answered_by_a_later_process(tmp_path):
    question = Decision(state_ops=[ADD, LB], ask=Ask(question="Which port?"))
    with bench(tmp_path, ScriptedDecider(question, DONE)) as b:
        assert (await b.run()).state is LoopState.WAITING
        assert known(b)[1] == {"lb": {"id": 7}}
        b.people.replies.append("80")
        assert (await b.run()).outcome is Outcome.CONVERGED
    assert [data["name"] for data in b.data("state.changed")] == ["web1", "lb"]


async def test_dry_run_changes_nothing_that_is_known(tmp_path):
    modules = ScriptedModules()
    decision = Decision(state_ops=[ADD, LB], actions=[ActionSpec(module="touch")])
    with bench(tmp_path, ScriptedDecider(decision), modules=modules, dry_run=True) as b:
        await b.run()
        assert known(b) == ({}, {})
    assert "web1" not in modules.groups


async def test_a_host_that_is_removed_is_out_of_the_live_inventory_and_stays_out(tmp_path):
    modules = ScriptedModules()
    reach = Decision(actions=[ActionSpec(module="touch", host="web1")])
    decider = ScriptedDecider(
        Decision(state_ops=[ADD]), reach, Decision(state_ops=[StateOp(op="remove", name="web1")]), reach, DONE
    )
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        assert known(b)[0] == {}
        states = [(data["host"], kind) for kind in ("action.succeeded", "action.failed") for data in b.data(kind)]
    assert states == [("web1", "action.succeeded"), ("web1", "action.failed")]
    assert "cannot find the host or group 'web1'" in b.data("action.failed")[0]["error"]
    assert len(modules.ran("touch")) == 1


async def test_a_removed_host_is_not_registered_again_by_the_next_process(tmp_path):
    decider = ScriptedDecider(
        Decision(state_ops=[ADD]),
        Decision(state_ops=[StateOp(op="remove", name="web1")]),
        Decision(ask=Ask(question="Go on?")),
        DONE,
    )
    with bench(tmp_path, decider) as b:
        assert (await b.run()).state is LoopState.WAITING
        b.modules = ScriptedModules()
        b.people.replies.append("yes")
        await b.run()
    assert list(b.modules.groups) == ["localhost"]


# --- facts of hosts ------------------------------------------------------------------------------------------------


def hosts_with_facts() -> ScriptedModules:
    modules = ScriptedModules({"web1": ["web"]})
    modules.handlers["command"] = lambda call: ok(rc=0, stdout='ID=debian\nPRETTY_NAME="Debian 13"\n')
    modules.handlers["setup"] = lambda call: ok(
        output={"ansible_facts": {"ansible_system": "Linux", "ansible_machine": "x86_64"}}
    )
    return modules


async def test_a_host_that_is_registered_again_keeps_its_facts(tmp_path):
    again = StateOp(op="add_host", name="web1", ansible_host="10.0.0.2")
    # Looked at once only, so that nothing that was forgotten is learnt again.
    decider = ScriptedDecider(Decision(state_ops=[ADD], observe=[OS_RELEASE]), Decision(state_ops=[again]), DONE)
    with bench(tmp_path, decider, modules=hosts_with_facts()) as b:
        await b.run()
        host = known(b)[0]["web1"]
    assert host.facts["distribution_id"] == "debian"
    assert host.facts["pkg_manager"] == "apt"
    assert (host.ansible_host, host.ansible_user) == ("10.0.0.2", "ana")


async def test_what_is_learnt_of_a_host_later_is_added_to_what_is_known(tmp_path):
    first = Decision(observe=[OS_RELEASE])
    second = Decision(observe=[SETUP])
    decider = ScriptedDecider(first, second, DONE)
    with bench(tmp_path, decider, modules=hosts_with_facts()) as b:
        await b.run()
        facts = known(b)[0]["web1"].facts
    assert facts["distribution_id"] == "debian"
    assert facts["system"] == "Linux"


async def test_a_host_that_got_another_system_does_not_keep_the_package_manager_of_the_old_one(tmp_path):
    modules = hosts_with_facts()
    texts = iter(["ID=debian\n", "ID=alpine\n"])
    modules.handlers["command"] = lambda call: ok(rc=0, stdout=next(texts))
    decider = ScriptedDecider(Decision(observe=[OS_RELEASE]), DONE, observe=[OS_RELEASE])
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        assert known(b)[0]["web1"].facts == {"distribution": "alpine", "distribution_id": "alpine"}


async def test_two_loops_of_one_database_know_nothing_of_each_other(tmp_path):
    with bench(tmp_path, ScriptedDecider(Decision(state_ops=[ADD, LB]), DONE)) as b:
        with b.database.write() as tx:
            other = loop_rows.create_loop(tx, LoopSpec(name="db", desired_state="other", decider="scripted"))
        await b.run()
        first = b.loop_id
        b.loop_id, b.modules = other.id, ScriptedModules()
        b.decider = ScriptedDecider(Decision(state_ops=[StateOp(op="add_host", name="db1")]), DONE)
        await b.run()
        assert b.decider.situations[0].hosts == []
        assert list(known(b)[0]) == ["db1"]
        assert known(b)[1] == {}
        b.loop_id = first
        assert list(known(b)[0]) == ["web1"]
        assert known(b)[1] == {"lb": {"id": 7}}


# --- the inventory of the next process -----------------------------------------------------------------------------


class Listed(ScriptedModules):
    """Hosts of an inventory file, with everything that the loop registers."""

    def __init__(self, *names: str) -> None:
        super().__init__(dict.fromkeys(names, ()))
        self.entries: dict[str, HostEntry] = {}

        self.removed: list[str] = []

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


async def test_variables_that_a_rule_gives_a_host_are_there_now_and_in_the_next_process(tmp_path):
    rules = rule(tmp_path, "ftl.add_host('web9', ansible_host='10.0.0.9', rack='r1', password='hunter2-hunter2')")
    modules, later = Listed(), Listed()
    look = Decision(observe=[OS_RELEASE_OF_9])
    with bench(tmp_path, ScriptedDecider(look, DONE), modules=modules, rules_dir=rules) as b:
        modules.handlers["command"] = lambda call: ok(rc=0, stdout="ID=debian\n")
        await b.run()
        assert modules.entries["web9"].vars == {"rack": "r1", "password": "hunter2-hunter2"}
        hosts, _ = known(b)
        assert hosts["web9"].facts["distribution_id"] == "debian"
        assert "hunter2" not in str(hosts)
        again(b, later)
        await b.run()
    # What was redacted when it was stored is not given back: it is not what the rule has said.
    assert later.entries["web9"].vars == {"rack": "r1"}
    assert later.entries["web9"].ansible_host == "10.0.0.9"


async def test_variables_in_the_answer_of_a_decider_are_no_variables_of_a_host(tmp_path):
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
