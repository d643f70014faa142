"""An approval counts for what was required of the people who gave it, and for no stricter rule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.gate.policy.file import load_policy
from ftl2_enterprise.protocol.caller import Caller
from ftl2_enterprise.protocol.loops.approvals import ApprovalState
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, LoopState, Outcome
from ftl2_enterprise.protocol.verb import Access
from tests.support.loops.approving import ALICE, BOB, approve, asking, latest, ran, rows
from tests.support.loops.engine import ScriptedDecider

if TYPE_CHECKING:
    from pathlib import Path

ASK = "rules:\n- decision: ask\n  match: {{module: copy}}\n  people: {people}\n"
TWO_ADMINISTRATORS = """
rules:
- decision: ask
  match: {{param.path: {tmp}/ssh/*}}
  by: admin
  people: 2
"""
DENIED = "rules:\n- decision: deny\n  match: {{param.path: {tmp}/ssh/*}}\n"


async def test_a_policy_that_requires_more_people_since_it_was_asked_makes_it_void(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    policy.write_text(ASK.format(people=1))
    with asking(tmp_path, policy=str(policy)) as b:
        await b.run()
        approve(b)
        policy.write_text(ASK.format(people=2))
        assert (await b.run()).state is LoopState.WAITING
        assert ran(b) == []
        assert b.data("approval.voided")[0]["reason"] == "the policy requires other people since it was asked"
        approve(b, ALICE)
        assert (ran(b), latest(b).state) == ([], ApprovalState.OPEN)
        approve(b, BOB)
        assert (await b.run()).outcome is Outcome.CONVERGED


async def test_of_two_policies_that_ask_both_must_be_satisfied(tmp_path: Path) -> None:
    site, policy = tmp_path / "site.yml", tmp_path / "policy.yml"
    site.write_text(ASK.format(people=1))
    policy.write_text(ASK.format(people=2))
    with asking(tmp_path, policy=str(policy)) as b:
        of_site = replace(load_policy(site), is_site=True)
        b.site = lambda: of_site
        await b.run()
        approve(b, ALICE)
        assert (ran(b), latest(b).state) == ([], ApprovalState.OPEN)
        approve(b, BOB)
        assert (await b.run()).outcome is Outcome.CONVERGED


def through_a_link(tmp_path: Path, policy: str) -> tuple[str, Any, ScriptedDecider]:
    """A policy, and the hosts and the decider of a loop that writes `ssh/made` through a symbolic link."""
    (tmp_path / "ssh").mkdir()
    (tmp_path / "link").symlink_to("ssh")
    path = tmp_path / "policy.yml"
    path.write_text(policy.format(tmp=tmp_path))
    action = ActionSpec(module="copy", params={"content": "x", "dest": f"{tmp_path}/link/made"}, host="localhost")
    modules: Any = Ftl2Modules(inventory_files.load(None), work_dir=tmp_path / "work", redact=str)
    return str(path), modules, ScriptedDecider(Decision(actions=[action]), Decision(converged=True))


async def test_those_are_asked_who_have_to_agree_to_the_place_to_which_a_link_leads(tmp_path: Path) -> None:
    policy, modules, decider = through_a_link(tmp_path, TWO_ADMINISTRATORS)
    try:
        with asking(tmp_path, decider, modules=modules, policy=policy, observers=[]) as b:
            assert (await b.run()).state is LoopState.WAITING
            assert [(need.by, need.people) for need in latest(b).needs] == [("administer", 2), ("operate", 1)]
            approve(b, ALICE)
            assert latest(b).state is ApprovalState.OPEN
            for person in (BOB, Caller(uid=1003, name="carol", access=Access.ADMINISTER)):
                approve(b, person)
            assert (await b.run()).outcome is Outcome.CONVERGED
    finally:
        await modules.close()
    assert (tmp_path / "ssh" / "made").exists()


async def test_people_are_not_asked_about_what_is_denied_where_a_link_leads(tmp_path: Path) -> None:
    policy, modules, decider = through_a_link(tmp_path, DENIED)
    try:
        with asking(tmp_path, decider, modules=modules, policy=policy, observers=[]) as b:
            assert (await b.run()).state is not LoopState.WAITING
            [row] = rows(b)
            assert (row.state, b.data("approval.asked")) == (ActionState.DENIED, [])
            assert "denied by policy rule 1" in (row.error or "")
    finally:
        await modules.close()
    assert not (tmp_path / "ssh" / "made").exists()


async def test_a_link_that_is_made_after_people_agreed_makes_the_approval_void(tmp_path: Path) -> None:
    policy, modules, decider = through_a_link(tmp_path, TWO_ADMINISTRATORS)
    link = tmp_path / "link"
    link.unlink()
    link.mkdir()
    try:
        with asking(tmp_path, decider, modules=modules, policy=policy, observers=[]) as b:
            assert (await b.run()).state is LoopState.WAITING
            approve(b, ALICE)
            link.rmdir()
            link.symlink_to("ssh")
            await b.run()
            assert b.data("approval.voided")[0]["reason"] == "the policy requires other people since it was asked"
    finally:
        await modules.close()
    assert not (tmp_path / "ssh" / "made").exists()
