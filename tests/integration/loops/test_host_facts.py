"""Facts of hosts are merged with what is known, and never shared between loops."""

from __future__ import annotations

from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.protocol.loops.decision import Decision, ObservationSpec, StateOp
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok
from tests.support.loops.runs import known

DONE = Decision(converged=True)


ADD = StateOp(op="add_host", name="web1", ansible_host="10.0.0.1", ansible_user="ana", groups=["web"])


LB = StateOp(op="add_resource", name="lb", data={"id": 7})


OS_RELEASE = ObservationSpec(name="os", module="command", params={"cmd": "cat /etc/os-release"}, host="web1")


SETUP = ObservationSpec(name="setup", module="setup", host="web1")


def hosts_with_facts() -> ScriptedModules:
    modules = ScriptedModules({"web1": ["web"]})
    modules.handlers["command"] = lambda call: ok(rc=0, stdout='ID=debian\nPRETTY_NAME="Debian 13"\n')
    modules.handlers["setup"] = lambda call: ok(
        output={"ansible_facts": {"ansible_system": "Linux", "ansible_machine": "x86_64"}}
    )
    return modules


async def test_a_host_that_is_registered_again_keeps_its_facts(tmp_path):
    again = StateOp(op="add_host", name="web1", ansible_host="10.0.0.2")
    # Checked at once only, so that nothing that was forgotten is learnt again.
    decider = ScriptedDecider(Decision(state_ops=[ADD], observe=[OS_RELEASE]), Decision(state_ops=[again]), DONE)
    with bench(tmp_path, decider, modules=hosts_with_facts()) as b:
        await b.run()
        host = known(b)[0]["web1"]
    assert host.facts["distribution_id"] == "debian"
    assert host.facts["pkg_manager"] == "apt"
    assert (host.ansible_host, host.ansible_user) == ("10.0.0.2", "ana")


async def test_later_facts_of_a_host_are_merged(tmp_path):
    first = Decision(observe=[OS_RELEASE])
    second = Decision(observe=[SETUP])
    decider = ScriptedDecider(first, second, DONE)
    with bench(tmp_path, decider, modules=hosts_with_facts()) as b:
        await b.run()
        facts = known(b)[0]["web1"].facts
    assert facts["distribution_id"] == "debian"
    assert facts["system"] == "Linux"


async def test_a_host_with_a_new_system_does_not_keep_its_old_package_manager(tmp_path):
    modules = hosts_with_facts()
    texts = iter(["ID=debian\n", "ID=alpine\n"])
    modules.handlers["command"] = lambda call: ok(rc=0, stdout=next(texts))
    decider = ScriptedDecider(Decision(observe=[OS_RELEASE]), DONE, observe=[OS_RELEASE])
    with bench(tmp_path, decider, modules=modules) as b:
        await b.run()
        assert known(b)[0]["web1"].facts == {"distribution": "alpine", "distribution_id": "alpine"}


async def test_two_loops_of_one_database_do_not_share_facts(tmp_path):
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
