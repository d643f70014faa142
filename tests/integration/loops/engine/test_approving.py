"""Approvals: exactly what people approved is executed, once, while nothing that it is bound to has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from sqlalchemy import text

from ftl2_enterprise.loops.handlers.prompts import approval_of
from ftl2_enterprise.loops.ports import UNATTENDED
from ftl2_enterprise.loops.rows import approvals as approval_rows, loops as loop_rows, prompts as prompt_rows
from ftl2_enterprise.protocol.caller import Caller
from ftl2_enterprise.protocol.loops.approvals import ApprovalState
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    LoopState,
    Outcome,
)
from tests.support.loops.approving import (
    ALICE,
    approve,
    asking,
    latest,
    needs,
    ran,
    rows,
    sql,
)
from tests.support.loops.engine import ScriptedPeople

if TYPE_CHECKING:
    from collections.abc import Callable

from tests.support.loops.engine import Bench


async def test_nothing_runs_before_a_person_approves_the_list_and_then_all_of_it_runs_in_order(tmp_path):
    with asking(tmp_path) as b:
        waiting = await b.run()
        assert (waiting.state, ran(b)) == (LoopState.WAITING, [])
        assert [one.module for one in latest(b).actions] == ["copy", "service"]
        approve(b)
        assert (await b.run()).outcome is Outcome.CONVERGED
        assert ran(b) == ["copy", "service"]
        assert latest(b).state is ApprovalState.USED
        with b.database.read() as tx:
            assert latest(b).used_by == loop_rows.get_iterations(tx, b.loop_id)[1].id
    kinds = [kind for kind in b.kinds() if kind.startswith("approval.")]
    assert kinds == ["approval.requested", "approval.given", "approval.used"]
    assert b.data("approval.used")[0]["approved_by"] == ["alice"]


@pytest.mark.parametrize(("is_model", "origin"), [(True, "model"), (False, "manifest")])
async def test_a_request_states_who_wants_the_actions_apart_from_the_words_of_policy(tmp_path, is_model, origin):
    with asking(tmp_path) as b:
        b.decider.is_model = is_model
        await b.run()
        with b.database.read() as tx:
            found = approval_of(tx, prompt_rows.get_prompts(tx, b.loop_id)[0])
            prompt = prompt_rows.get_prompts(tx, b.loop_id)[0]
    assert found is not None
    assert (found.origin, found.decider) == (origin, b.decider.name)
    assert found.reasoning
    assert found.reasoning not in (prompt.context or "")
    (requested,) = b.data("approval.requested")
    assert (requested["origin"], requested["decider"], requested["reasoning"]) == (
        origin, b.decider.name, found.reasoning,
    )  # fmt: skip


async def test_the_person_at_the_terminal_approves_or_rejects(tmp_path):
    with asking(tmp_path, people=ScriptedPeople(["approve"])) as b:
        b.person = ALICE
        assert (await b.run()).outcome is Outcome.CONVERGED
    with asking(tmp_path / "other", people=ScriptedPeople(["reject"]), name="other") as b:
        b.person = ALICE
        ended = await b.run()
        assert (ended.outcome, ended.reason) == (Outcome.UNAPPROVED, "rejected by alice")
        assert ran(b) == []
        assert [(row.state, row.error) for row in rows(b)] == [(ActionState.DENIED, "rejected by alice")] * 2


async def test_without_a_person_nothing_is_approved(tmp_path):
    with asking(tmp_path, people=ScriptedPeople([UNATTENDED])) as b:
        b.person = ALICE
        ended = await b.run()
        assert ended.outcome is Outcome.UNAPPROVED
        assert "no person can be asked in this run" in (ended.reason or "")
        assert [one["unattended"] for one in b.data("prompt.expired")] == [True]
        assert (ran(b), latest(b).state) == ([], ApprovalState.EXPIRED)


async def test_a_person_who_cannot_approve_is_not_asked_here(tmp_path):
    people = ScriptedPeople(["approve"])
    with asking(tmp_path, people=people) as b:
        b.person = Caller(uid=1003, name="vera")
        assert (await b.run()).state is LoopState.WAITING
        assert people.asked == []


# --- what is no approval -------------------------------------------------------------------------------------------


def another_parameter(b: Bench):
    with b.database.write() as tx:
        asked = loop_rows.get_iteration(tx, latest(b).iteration_id)
        assert asked.decision is not None
        first, second = asked.decision.actions
        other = msgspec.structs.replace(first, params={**first.params, "dest": "/etc/shadow"})
        decision = msgspec.structs.replace(asked.decision, actions=[other, second])
        tx.connection.execute(
            text("UPDATE iterations SET decision = :decision WHERE id = :id"),
            {"decision": msgspec.json.encode(decision).decode(), "id": asked.id},
        )


def another_order(b: Bench):
    with b.database.write() as tx:
        asked = loop_rows.get_iteration(tx, latest(b).iteration_id)
        assert asked.decision is not None
        decision = msgspec.structs.replace(asked.decision, actions=asked.decision.actions[::-1])
        tx.connection.execute(
            text("UPDATE iterations SET decision = :decision WHERE id = :id"),
            {"decision": msgspec.json.encode(decision).decode(), "id": asked.id},
        )


FORGERIES: dict[str, Callable[[Bench], object]] = {
    "one parameter changed": another_parameter,
    "the order swapped": another_order,
    "the observation changed": lambda b: b.modules.world.update(load=7),
    "the host has another address": lambda b: b.modules.addresses.update(localhost="10.0.0.9"),
    "a digest of effects that is edited": lambda b: sql(
        b, "UPDATE approvals SET effects_digest = lower(hex(randomblob(32)))"
    ),
    "a digest of observations that is edited": lambda b: sql(
        b, "UPDATE approvals SET observations_digest = lower(hex(randomblob(32)))"
    ),
    "another salt": lambda b: sql(b, "UPDATE approvals SET salt = lower(hex(randomblob(16)))"),
    "expired by a second": lambda b: sql(
        b, "UPDATE approvals SET asked_at = asked_at - 7200000000, deadline_at = asked_at - 1000000"
    ),
    "asked in the future": lambda b: sql(
        b, "UPDATE approvals SET asked_at = asked_at + 3600000000, deadline_at = deadline_at + 3600000000"
    ),
    "given in the future": lambda b: sql(b, "UPDATE approval_votes SET given_at = given_at + 3600000000"),
    "given before it was asked": lambda b: sql(b, "UPDATE approval_votes SET given_at = given_at - 3600000000"),
    "given for other effects": lambda b: sql(
        b, "UPDATE approval_votes SET effects_digest = lower(hex(randomblob(32)))"
    ),
    "given for other observations": lambda b: sql(
        b, "UPDATE approval_votes SET observations_digest = lower(hex(randomblob(32)))"
    ),
    "a rejection": lambda b: sql(b, "UPDATE approval_votes SET approved = 0"),
    "given by no one": lambda b: sql(b, "DELETE FROM approval_votes"),
    "given by a viewer": lambda b: sql(b, "UPDATE approval_votes SET access = 'view'"),
    "given by no level": lambda b: sql(b, "UPDATE approval_votes SET access = ''"),
    "two persons needed": lambda b: needs(b, people=2),
    "administer needed": lambda b: needs(b, by="administer"),
    "another group needed": lambda b: needs(b, group="network"),
    "given by the requester": lambda b: (
        needs(b, not_requester=True), sql(b, "UPDATE approvals SET requester = 1001"),
    ),
    "the requester is not known": lambda b: needs(b, not_requester=True),
    "rejected since": lambda b: sql(b, "UPDATE approvals SET state = 'rejected', ended_at = asked_at, reason = 'no'"),
    "void since": lambda b: sql(b, "UPDATE approvals SET state = 'void', ended_at = asked_at"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
async def test_what_is_no_approval_executes_nothing(tmp_path, name):
    with asking(tmp_path) as b:
        await b.run()
        approve(b)
        FORGERIES[name](b)
        await b.run()
        assert ran(b) == []


async def test_an_approval_is_used_once(tmp_path):
    with asking(tmp_path) as b:
        await b.run()
        approve(b)
        await b.run()
        assert ran(b) == ["copy", "service"]
        # Everything is as it was when it was approved.
        b.modules.world.clear()
        sql(b, "UPDATE loops SET state = 'failed', outcome = 'failed'")
        assert (await b.run()).state is LoopState.WAITING
        assert ran(b) == ["copy", "service"]


async def test_an_approval_of_another_loop_executes_nothing(tmp_path):
    with asking(tmp_path) as b:
        await b.run()
        mine = latest(b)
        with b.database.write() as tx:
            other = loop_rows.create_loop(tx, replace_name(b.loop().spec, "other"))
        first, b.loop_id = b.loop_id, other.id
        await b.run()
        approve(b)
        theirs = latest(b)
        assert theirs.prompt_id != mine.prompt_id
        b.loop_id = first
        sql(b, f"UPDATE approvals SET state = 'approved' WHERE id = {mine.id}")
        closed = "state = 'answered', answer = 'approve', answered_at = 1"
        sql(b, f"UPDATE prompts SET {closed} WHERE id = {mine.prompt_id}")
        sql(b, f"UPDATE approval_votes SET approval_id = {mine.id}")
        await b.run()
        assert ran(b) == []


def replace_name(spec, name):
    return msgspec.structs.replace(spec, name=name)


async def test_a_secret_that_changed_makes_an_approval_void(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "first-secret-value")
    with asking(tmp_path, secrets=["copy.owner=TOKEN"]) as b:
        await b.run()
        approve(b)
        monkeypatch.setenv("TOKEN", "other-secret-value")
        await b.run()
        assert ran(b) == []
        why = "the actions, their hosts, their secrets or where their paths lead changed since it was asked"
        assert b.data("approval.voided")[0]["reason"] == why
        approve(b)
        assert (await b.run()).outcome is Outcome.CONVERGED
        assert b.modules.ran("copy")[0].params["owner"] == "other-secret-value"
        stored = b.database
        with stored.read() as tx:
            dumped = str(tx.connection.execute(text("SELECT * FROM approvals")).all())
        assert "secret-value" not in dumped


async def test_an_approval_that_is_void_is_asked_again_with_what_changed(tmp_path):
    with asking(tmp_path) as b:
        await b.run()
        approve(b)
        b.modules.world["load"] = 7
        assert (await b.run()).state is LoopState.WAITING
        with b.database.read() as tx:
            prompt = approval_rows.latest(tx, b.loop_id)
        assert prompt is not None
        changed = "the observations changed since it was asked: state on localhost is different"
        assert f"asked again: {changed}" in b.data("prompt.asked")[-1]["context"]
        assert [one.get("again") for one in b.data("approval.requested")] == [None, changed]
        approve(b)
        assert (await b.run()).outcome is Outcome.CONVERGED
