"""Who may approve, what follows a rejection or expiry, and what a loop does that may not repair."""

from __future__ import annotations

import msgspec
import pytest

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.engine.context import RunLimits
from ftl2_enterprise.loops.handlers.table import WRITES
from ftl2_enterprise.loops.rows import loops as loop_rows, revisions as revision_rows
from ftl2_enterprise.protocol.loops.approvals import ApprovalState
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    Condition,
    LoopRemediation,
    LoopState,
    Mode,
    Outcome,
)
from ftl2_enterprise.protocol.loops.verbs import (
    AnswerPrompt,
    ApprovePrompt,
    DismissPrompt,
    RejectPrompt,
    RetryLoop,
    RunLoopNow,
)
from tests.support.loops.approving import (
    ACTIONS,
    ALICE,
    BOB,
    STATE,
    approve,
    asking,
    decider,
    do,
    latest,
    needs,
    ran,
    rows,
    sql,
)
from tests.support.loops.engine import ScriptedDecider

# --- who may approve -----------------------------------------------------------------------------------------------


async def test_two_persons_are_two_user_ids(tmp_path):
    with asking(tmp_path) as b:
        await b.run()
        needs(b, people=2, also=True)
        assert approve(b).state == "open"
        with pytest.raises(Problem) as caught:
            approve(b, replace_caller(ALICE, name="alicia"))
        assert caught.value.code is Code.CONFLICT
        assert "cannot approve prompt" in caught.value.message
        assert approve(b, BOB).answered_by == "alice, bob"
        await b.run()
        assert ran(b) == ["copy", "service"]


def replace_caller(caller, **values):
    return msgspec.structs.replace(caller, **values)


@pytest.mark.parametrize(
    ("need", "requester", "why"),
    [
        ({"by": "administer"}, None, "it needs access to administer"),
        ({"group": "network"}, None, "it needs a member of the group network"),
        ({"not_requester": True}, 1001, "the requester cannot approve it"),
        ({"not_requester": True}, None, "who that is is not known"),
    ],
)
async def test_a_person_whose_consent_does_not_count_is_refused(tmp_path, need, requester, why):
    with asking(tmp_path) as b:
        await b.run()
        needs(b, **need)
        sql(b, f"UPDATE approvals SET requester = {requester if requester is not None else 'NULL'}")
        for request in (ApprovePrompt(prompt=1), AnswerPrompt(prompt=1, answer="yes")):
            with pytest.raises(Problem) as caught:
                do(b, request, ALICE)
            assert caught.value.code is Code.DENIED
            assert caught.value.message.startswith("cannot approve prompt 1 as alice (uid 1001): ")
            assert why in caught.value.message
        assert latest(b).state is ApprovalState.OPEN


async def test_a_change_by_another_person_hides_no_author(tmp_path):
    with asking(tmp_path) as b:
        with b.database.write() as tx:
            for n, actor in ((2, "alice (uid 1001, pid 7)"), (3, "bob (uid 1002, pid 8)")):
                tx.actor = actor
                revision_rows.insert_revision(tx, b.loop_id, n, loop_rows.get_loop(tx, b.loop_id).spec)
        await b.run()
        needs(b, not_requester=True)
        sql(b, "UPDATE approvals SET requester = 7")
        for person in (ALICE, BOB):
            with pytest.raises(Problem, match="a person who wrote or changed the request cannot approve it"):
                approve(b, person)


async def test_an_answer_of_yes_is_an_approval_and_a_question_cannot_be_approved(tmp_path):
    with asking(tmp_path) as b:
        await b.run()
        assert do(b, AnswerPrompt(prompt=1, answer="Yes"), ALICE).answer == "approve"
        with pytest.raises(Problem, match="cannot approve prompt 1: it is approved already"):
            approve(b, BOB)
        await b.run()
        assert ran(b) == ["copy", "service"]


# --- rejection, expiry ---------------------------------------------------------------------------------------------


async def test_a_continuous_loop_rests_after_a_rejection_and_asks_only_about_something_new(tmp_path):
    with asking(tmp_path, mode=Mode.CONTINUOUS, interval=0.01, limits=RunLimits(rest=0.0)) as b:
        await b.run()
        do(b, RejectPrompt(prompt=1, reason="not today"), ALICE)
        resting = await b.run()
        assert (resting.state, resting.condition) == (LoopState.RESTING, Condition.DRIFTED)
        assert resting.reason == "rejected by alice: not today"
        resting = await b.run()
        assert resting.state is LoopState.RESTING
        assert "rejected by alice: not today (prompt 1), and nothing has changed" in (resting.reason or "")
        assert b.kinds().count("approval.requested") == 1
        b.modules.world["load"] = 7
        assert (await b.run()).state is LoopState.WAITING
        assert b.kinds().count("approval.requested") == 2
        assert ran(b) == []


async def test_every_rejection_that_still_holds_is_remembered(tmp_path):
    some = decider()
    with asking(tmp_path, some, mode=Mode.CONTINUOUS, interval=0.01, limits=RunLimits(rest=0.0)) as b:
        for n, (load, plan) in enumerate([(1, ACTIONS[:1]), (1, ACTIONS[1:]), (2, ACTIONS[:1])], start=1):
            b.modules.world["load"] = load
            some.script = [Decision(actions=plan)]
            assert (await b.run()).state is LoopState.WAITING
            do(b, RejectPrompt(prompt=n, reason=f"no {n}"), ALICE)
            assert (await b.run()).state is LoopState.RESTING
        for n, (load, plan) in enumerate([(1, ACTIONS[:1]), (1, ACTIONS[1:]), (2, ACTIONS[:1])], start=1):
            b.modules.world["load"] = load
            some.script = [Decision(actions=plan)]
            resting = await b.run()
            assert resting.state is LoopState.RESTING
            assert resting.reason == f"rejected by alice: no {n} (prompt {n}), and nothing has changed since"
        do(b, RunLoopNow(loop="web"))
        for load, plan in [(1, ACTIONS[:1]), (1, ACTIONS[1:])]:
            b.modules.world["load"] = load
            some.script = [Decision(actions=plan)]
            assert (await b.run()).state is LoopState.WAITING
            do(b, RejectPrompt(prompt=latest(b).prompt_id), ALICE)
            await b.run()
        assert ran(b) == []


async def test_a_person_who_retries_is_asked_again(tmp_path):
    with asking(tmp_path) as b:
        await b.run()
        do(b, RejectPrompt(prompt=1), ALICE)
        assert (await b.run()).outcome is Outcome.UNAPPROVED
        do(b, RetryLoop(loop="web"))
        sql(b, "UPDATE loops SET managed = 0")
        assert (await b.run()).state is LoopState.WAITING


async def test_a_continuous_loop_asks_again_when_a_person_has_it_run_now(tmp_path):
    with asking(tmp_path, mode=Mode.CONTINUOUS, interval=30.0, limits=RunLimits(rest=0.0)) as b:
        await b.run()
        do(b, RejectPrompt(prompt=1, reason="not today"), ALICE)
        assert (await b.run()).state is LoopState.RESTING
        do(b, RunLoopNow(loop="web"))
        request = latest(b)
        assert (request.state, request.reason) == (
            ApprovalState.VOID,
            "rejected by alice: not today; then a person had the loop run again",
        )
        assert (await b.run()).state is LoopState.WAITING
        assert b.data("approval.requested")[-1]["again"] == request.reason
        assert ran(b) == []


async def test_a_model_is_not_called_again_about_what_was_rejected(tmp_path):
    model = decider(is_model=True, name="claude")
    with asking(tmp_path, model, mode=Mode.CONTINUOUS, interval=0.01, limits=RunLimits(rest=0.0)) as b:
        await b.run()
        do(b, RejectPrompt(prompt=1), ALICE)
        await b.run()
        calls = len(model.situations)
        await b.run()
        assert len(model.situations) == calls


async def test_a_request_that_expires_denies_the_actions(tmp_path):
    with asking(tmp_path, mode=Mode.CONTINUOUS, interval=0.01, limits=RunLimits(rest=0.0)) as b:
        await b.run()
        sql(b, "UPDATE approvals SET asked_at = asked_at - 7200000000, deadline_at = asked_at - 1")
        sql(b, "UPDATE prompts SET deadline_at = asked_at - 1")
        with pytest.raises(Problem, match="cannot approve prompt 1: it had to be decided before"):
            approve(b)
        resting = await b.run()
        assert "not approved within" in (resting.reason or "")
        assert {row.state for row in rows(b)} == {ActionState.DENIED}
        assert (await b.run()).state is LoopState.WAITING
        assert ran(b) == []


async def test_a_dismissed_request_denies_the_actions(tmp_path):
    with asking(tmp_path) as b:
        await b.run()
        with b.database.write() as tx:
            tx.actor = "anna (uid 1001, pid 7)"
            WRITES[DismissPrompt].call(DismissPrompt(prompt=1)).execute(tx)
        ended = await b.run()
        assert (ended.outcome, ran(b)) == (Outcome.UNAPPROVED, [])
        assert "the request for approval was dismissed by anna; " in (ended.reason or "")


# --- remediation ---------------------------------------------------------------------------------------------------


async def test_a_loop_that_never_remediates_reports_and_changes_nothing(tmp_path):
    with asking(tmp_path, remediation=LoopRemediation.NEVER) as b:
        ended = await b.run()
        assert (ended.outcome, ended.condition, ran(b)) == (Outcome.DRIFTED, Condition.DRIFTED, [])
        assert {row.state for row in rows(b)} == {ActionState.PREVIEWED}
        # So `status` and `status --check` list it.
        assert ended.state is LoopState.FAILED


async def test_a_loop_that_ends_as_drifted_names_what_is_out_of_place(tmp_path):
    plan = Decision(unmet=["a on localhost: /etc/a does not exist"], actions=ACTIONS)
    with asking(tmp_path, ScriptedDecider(lambda _: plan, observe=[STATE]), remediation=LoopRemediation.NEVER) as b:
        assert (await b.run()).reason == "a on localhost: /etc/a does not exist"


async def test_a_continuous_loop_that_reports_drift_does_not_fail(tmp_path):
    with asking(
        tmp_path, remediation=LoopRemediation.NEVER, mode=Mode.CONTINUOUS, interval=0.01, limits=RunLimits(rest=0.0)
    ) as b:
        resting = await b.run()
        assert (resting.state, resting.reason, resting.failures) == (LoopState.RESTING, None, 0)


async def test_a_dry_run_asks_no_one(tmp_path):
    with asking(tmp_path, dry_run=True) as b:
        assert (await b.run()).outcome is Outcome.PREVIEWED
        assert (ran(b), "approval.requested" in b.kinds()) == ([], False)


async def test_a_literal_secret_in_an_action_cannot_be_approved(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "first-secret-value")
    actions = [ActionSpec(module="copy", params={"dest": "/etc/a", "content": "first-secret-value"})]
    with asking(tmp_path, decider(actions), secrets=["copy.owner=TOKEN"]) as b:
        ended = await b.run()
        assert (ended.outcome, ran(b)) == (Outcome.UNAPPROVED, [])
        assert (ended.reason or "").startswith("cannot ask for the approval of copy on localhost")
