"""A loop that asks people to approve its actions, in an engine with scripted hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import text

from ftl2_enterprise.loops.handlers.table import WRITES
from ftl2_enterprise.loops.rows import actions as action_rows, approvals as approval_rows
from ftl2_enterprise.protocol.caller import Caller
from ftl2_enterprise.protocol.loops.approvals import RequiredPeople
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision, ObservationSpec
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation
from ftl2_enterprise.protocol.loops.verbs import ApprovePrompt
from ftl2_enterprise.protocol.verb import Access
from tests.support.loops.engine import ScriptedDecider, ScriptedModules, bench, ok

if TYPE_CHECKING:
    from tests.support.loops.engine import Bench

ALICE = Caller(uid=1001, name="alice", access=Access.OPERATE, groups=["dba"])
BOB = Caller(uid=1002, name="bob", access=Access.ADMINISTER)
STATE = ObservationSpec(name="state", module="stat", params={"path": "/"})
ACTIONS = [
    ActionSpec(module="copy", params={"dest": "/etc/a", "content": "a"}),
    ActionSpec(module="service", params={"name": "a", "state": "restarted"}),
]


def changed(call):
    return ok(changed=True)


def decider(actions=ACTIONS, **values):
    """Acts until both actions ran, as a manifest does."""

    def decide(situation):
        done = situation.state["state"]["world"].get("done")
        return Decision(converged=True) if done else Decision(actions=list(actions), reasoning="a is out of place")

    return ScriptedDecider(decide, observe=[STATE], **values)


def world(**addresses):
    modules = ScriptedModules({"web1": ["web"]})

    def restart(call):
        modules.world["done"] = True
        return ok(changed=True)

    modules.handlers |= {"copy": changed, "service": restart}
    modules.addresses |= addresses
    return modules


def ran(b: Bench):
    return [call.module for call in b.modules.calls if call.module != "stat"]


def do(b: Bench, request, *more):
    with b.database.write() as tx:
        return WRITES[type(request)].call(request, *more).execute(tx)


def approve(b: Bench, person=ALICE):
    return do(b, ApprovePrompt(prompt=latest(b).prompt_id), person)


def latest(b: Bench):
    with b.database.read() as tx:
        found = approval_rows.latest(tx, b.loop_id)
    assert found is not None
    return found


def rows(b: Bench):
    with b.database.read() as tx:
        return action_rows.get_actions_for_loop(tx, b.loop_id)


def sql(b: Bench, statement: str):
    with b.database.write() as tx:
        tx.connection.execute(text(statement))


def asking(tmp_path, some=None, **values):
    values = {"remediation": LoopRemediation.ASK, "modules": world(), **values}
    return bench(tmp_path, some or decider(), **values)


def needs(b: Bench, *, also=False, **values):
    """Require these people; with `also`, in addition to those who were required."""
    with b.database.write() as tx:
        asked = tx.connection.execute(text("SELECT needs FROM approvals")).scalar_one()
        before = msgspec.json.decode(asked, type=list[RequiredPeople]) if also else []
        stored = msgspec.json.encode([*before, RequiredPeople(**values)]).decode()
        tx.connection.execute(text("UPDATE approvals SET needs = :needs"), {"needs": stored})
