"""Approvals of several users over the socket: the kernel identifies them, and what a rule requires holds."""

from __future__ import annotations

import grp
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.protocol.loops.approvals import ApprovalState
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation, LoopState, Outcome
from tests.support.loops.approving import asking, latest, ran, sql
from tests.support.service.control_process import REPOSITORY, ControlProcess, control

if TYPE_CHECKING:
    from tests.support.loops.engine import Bench

GROUP = next((one for one in grp.getgrall() if one.gr_gid and not one.gr_mem), None)
"""A group of this machine, whose rights the approvers get."""
STRANGER, VIEWER, OPERATOR, REQUESTER, ALICE, BOB = range(12_345, 12_351)
SETTINGS = f"""
[access]
view = ["{VIEWER}"]
operate = ["{OPERATOR}", "{REQUESTER}", "{ALICE}", "{BOB}"]
"""
APPROVE = """
import json, os, sys
from ftl2_enterprise import client
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.verbs import ApprovePrompt
path, uid, groups, prompt = json.loads(sys.argv[1])
os.setgroups(groups)
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
with client.connect(path) as service:
    try:
        service.call(ApprovePrompt(prompt=prompt))
        print("done")
    except Problem as problem:
        print(problem.message)
"""
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or GROUP is None, reason="only root can become another user")


def approve_as(service: ControlProcess, prompt: int, uid: int, *, in_group: bool = True) -> str:
    """What the service answers to a user: `done`, or why not."""
    assert GROUP is not None
    asked = json.dumps([str(service.socket), uid, [GROUP.gr_gid] if in_group else [], prompt])
    done = subprocess.run(
        [sys.executable, "-c", APPROVE, asked], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def policy(directory: Path) -> str:
    assert GROUP is not None
    path = directory / "policy.yml"
    path.write_text(
        "rules:\n- decision: ask\n  match: {module: copy}\n"
        f"  people: 2\n  group: {GROUP.gr_name}\n  not_requester: true\n"
    )
    return str(path)


async def is_waiting(b: Bench) -> bool:
    return (await b.run()).state is LoopState.WAITING and ran(b) == []


async def test_only_distinct_members_of_the_group_who_did_not_request_it_can_approve() -> None:
    # Directories of pytest are closed to others.
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        directory.chmod(0o755)
        with asking(directory, policy=policy(directory), remediation=LoopRemediation.AUTO) as b:
            sql(b, f"UPDATE loops SET submitted_by = 'rick (uid {REQUESTER}, pid 7)'")
            assert await is_waiting(b)
            prompt = latest(b).prompt_id
            with control(directory, settings=SETTINGS) as service:
                answers = {
                    "stranger": approve_as(service, prompt, STRANGER),
                    "viewer": approve_as(service, prompt, VIEWER),
                    "not in the group": approve_as(service, prompt, OPERATOR, in_group=False),
                    "requester": approve_as(service, prompt, REQUESTER),
                }
                assert [one for one in answers.values() if not one.startswith("cannot")] == []
                assert "requester cannot approve" in answers["requester"]
                assert await is_waiting(b)
                assert approve_as(service, prompt, ALICE) == "done"
                assert approve_as(service, prompt, ALICE).startswith("cannot")
                assert await is_waiting(b)
                assert latest(b).state is ApprovalState.OPEN
                assert approve_as(service, prompt, BOB) == "done"
            assert latest(b).state is ApprovalState.APPROVED
            assert (await b.run()).outcome is Outcome.CONVERGED
            assert ran(b) == ["copy", "service"]
