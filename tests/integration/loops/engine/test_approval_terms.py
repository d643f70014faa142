"""An approval counts for what was required of the people who gave it, and for no stricter rule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory import files as inventory_files
from ftl2_enterprise.gate.policy.file import load_policy
from ftl2_enterprise.protocol.loops.approvals import ApprovalState
from ftl2_enterprise.protocol.loops.decision import ActionSpec, Decision
from ftl2_enterprise.protocol.loops.nouns import ActionState, LoopState, Outcome
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


async def test_a_link_does_not_lead_around_the_people_that_a_rule_requires(tmp_path: Path) -> None:
    (tmp_path / "ssh").mkdir()
    (tmp_path / "link").symlink_to("ssh")
    policy = tmp_path / "policy.yml"
    policy.write_text(TWO_ADMINISTRATORS.format(tmp=tmp_path))
    action = ActionSpec(module="copy", params={"content": "x", "dest": f"{tmp_path}/link/made"}, host="localhost")
    modules: Any = Ftl2Modules(inventory_files.load(None), work_dir=tmp_path / "work", redact=str)
    decider = ScriptedDecider(Decision(actions=[action]), Decision(actions=[action]), Decision(converged=True))
    try:
        with asking(tmp_path, decider, modules=modules, policy=str(policy), observers=[]) as b:
            assert (await b.run()).state is LoopState.WAITING
            approve(b, ALICE)
            await b.run()
            [row] = [one for one in rows(b) if one.state is ActionState.DENIED]
            assert "approval is required by policy rule 1" in (row.error or "")
    finally:
        await modules.close()
    assert not (tmp_path / "ssh" / "made").exists()
