"""A real database file, and rows in it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.gate.budgets import Amount
from ftl2_enterprise.loops.lifecycle import ActionEvent, IterationEvent
from ftl2_enterprise.loops.ports import ModelLimits, ProviderHealth
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    approvals as approval_rows,
    hosts as host_rows,
    increments as increment_rows,
    loop_files as loop_file_rows,
    loops as loop_rows,
    model_calls as model_call_rows,
    model_queue,
    observations as observation_rows,
    prompts as prompt_rows,
    providers as provider_rows,
    revisions as revision_rows,
    rules as rule_rows,
)
from ftl2_enterprise.loops.rows.model_queue import CallWaits
from ftl2_enterprise.loops.tables import disabled_rules
from ftl2_enterprise.protocol.caller import Caller
from ftl2_enterprise.protocol.loops.approvals import ApprovalRequest, NewApproval, ProposedAction, RequiredPeople
from ftl2_enterprise.protocol.loops.facts import LoopStarted, loop_subject
from ftl2_enterprise.protocol.loops.nouns import CallOutcome, Iteration, Loop, LoopSpec, Prompt, WaitReason
from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ApprovePrompt, RejectPrompt
from ftl2_enterprise.protocol.verb import Access, Request
from ftl2_enterprise.store.events import cursors, list_events
from ftl2_enterprise.store.freezes import insert_freeze
from ftl2_enterprise.store.idempotency import handovers
from tests.support.data.facts import sample

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ftl2_enterprise.store.database import Store
    from ftl2_enterprise.store.tx import Tx


class Ticks:
    """A clock that advances by a second each time it is read."""

    def __init__(self, at: int = 1_700_000_000_000_000) -> None:
        self.at = at

    def now(self) -> int:
        self.at += 1_000_000
        return self.at


def loop_names(db: Store) -> set[str]:
    """The names of all loops."""
    with db.read() as tx:
        return {loop.name for loop in loop_rows.list_loops(tx, finished=True)}


def spec(name: str = "web", **values: Any) -> LoopSpec:
    return LoopSpec(name=name, desired_state="nginx answers", **values)


def started_loop(tx: Tx, name: str = "web") -> tuple[Loop, int]:
    """A loop that runs, and the generation of its claim."""
    loop = loop_rows.create_loop(tx, spec(name))
    generation = loop_rows.claim_loop(tx, loop.id, "me")
    loop_rows.move_loop(tx, loop.id, generation, sample(LoopStarted), run=1)
    return loop_rows.get_loop(tx, loop.id), generation


def begun_iteration(tx: Tx, name: str = "web") -> Iteration:
    loop, _ = started_loop(tx, name)
    return loop_rows.insert_iteration(tx, loop.id, 1)


def propose(tx: Tx, iteration: Iteration, *, n: int = 1, host: str = "web1", **values: Any) -> int:
    call = {"target": host, "module": "file", "params": {"path": "/srv"}, "origin": "decision", **values}
    return action_rows.insert_action(tx, iteration, n=n, host=host, **call)


def acting_loop(tx: Tx) -> tuple[Loop, int, int]:
    """A loop in the middle of an action: the loop, the generation of its claim, and the action."""
    loop, generation = started_loop(tx)
    iteration = loop_rows.insert_iteration(tx, loop.id, 1)
    action = propose(tx, iteration)
    loop_rows.move_iteration(tx, iteration.id, IterationEvent.OBSERVED)
    loop_rows.move_iteration(tx, iteration.id, IterationEvent.DECIDED)
    action_rows.move_action(tx, action, ActionEvent.STARTED)
    return loop, generation, action


def ask(tx: Tx, iteration: Iteration, key: str = "port", default: str | None = "80") -> int:
    return prompt_rows.insert_prompt(
        tx,
        iteration,
        key=key,
        question="Which port?",
        options=["80", "8080"],
        default=default,
        context=None,
        deadline_at=None,
    ).id


SALT, EFFECTS, OBSERVED = "5a" * 16, "e" * 64, "0" * 64
ALICE = Caller(uid=1001, name="alice", access=Access.OPERATE, groups=["dba", "ftl2"])


def caller_for(request: Request[Any]) -> list[Caller]:
    """The arguments of a handler besides the request: the caller, if it takes one."""
    is_about_approvals = isinstance(request, AnswerPrompt | ApprovePrompt | RejectPrompt)
    return [ALICE] if is_about_approvals else []


def request_approval(tx: Tx, iteration: Iteration, prompt: Prompt, *, voted: bool = True) -> ApprovalRequest:
    """A request for approval that belongs to the prompt, with the consent of a person."""
    new = NewApproval(
        origin="manifest",
        question="Approve 1 action on web1?",
        context=None,
        why="remediation is `ask`",
        needs=[RequiredPeople()],
        actions=[ProposedAction(n=1, module="file", host="web1", params={"path": "/srv"})],
        summaries=["file path=/srv"],
        salt=SALT,
        effects_digest=EFFECTS,
        observations_digest=OBSERVED,
        requester=1000,
        deadline_at=tx.now + 3_600_000_000,
    )
    request = approval_rows.insert_approval(tx, iteration, prompt, new)
    if voted:
        approval_rows.insert_vote(tx, request, ALICE, approved=True, reason=None)
    return request


def one_of_each(tx: Tx, name: str = "web") -> Iteration:
    """A row in every table, each of them open; the iteration that they belong to."""
    loop, _ = started_loop(tx, name)
    step = increment_rows.insert_increment(tx, loop.id, desired_state="first half")
    iteration = loop_rows.insert_iteration(tx, loop.id, 1, increment_id=step.id)
    observation_rows.insert_observation(
        tx, iteration, name="disk", module="command", host="web1", params={"cmd": "df"}, origin="decider"
    )
    propose(tx, iteration)
    request_approval(tx, iteration, prompt_rows.get_prompt(tx, ask(tx, iteration)))
    host_rows.upsert_host(tx, loop.id, "web1", ansible_host="127.0.0.1", ansible_port=22)
    host_rows.upsert_resource(tx, loop.id, "disk1", {"size": 3})
    revision = revision_rows.get_revision(tx, loop.id, 1)
    loop_file_rows.add_files(tx, loop.id, revision.id, {"/srv/hosts.yaml": "web: {hosts: {web1: }}"})
    rule_rows.insert_rule_result(
        tx, iteration, rule_name="restart", rule_digest="d", matched=True, fired=True, success=None, detail=None
    )
    model_call_rows.begin_model_call(
        tx,
        iteration,
        purpose="decide",
        provider="claude",
        model=None,
        request="what now? " * 900,
        bound=Amount(cost=1, tokens=1),
    )
    waiting = CallWaits(reason=WaitReason.PLACES, places=1)
    assert model_queue.join(tx, loop.id, loop.generation, "claude", waiting)
    failed = ProviderHealth(failed=True)
    provider_rows.end_call(
        tx, f"of loop {loop.id}", 0, loop.id, CallOutcome.UNREACHABLE, failed, error=None, limits=ModelLimits()
    )
    tx.connection.execute(insert(disabled_rules), {"name": "reboot", "disabled_at": tx.now})
    tx.connection.execute(insert(handovers), {"client": "loop:1", "number": 1})
    tx.connection.execute(insert(cursors), {"reader": f"link {loop.id}", "event_id": 1})
    insert_freeze(
        tx,
        Freeze(
            id=f"{loop.id:08x}", scope=FreezeScope.SUBJECT, of=f"loop:{loop.id}", reason="incident", by="ann", since=1
        ),
    )
    return iteration


def end_iteration(tx: Tx, iteration_id: int) -> None:
    loop_rows.move_iteration(tx, iteration_id, IterationEvent.ENDED, outcome="observed")


@contextmanager
def other_process(program: str, *args: object) -> Generator[subprocess.Popen[str]]:
    """Another process that has printed a line; it ends when its input does."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "ready"
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(20)


HOLD = """
    import sqlite3, sys
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("ready", flush=True)
    sys.stdin.read()
    connection.execute("ROLLBACK")
    connection.close()
"""


@contextmanager
def locked_by_another_process(path: Path) -> Generator[None]:
    with other_process(HOLD, path):
        yield


def event_kinds(db: Store, loop_id: int) -> list[str]:
    with db.read() as tx:
        return [fact.kind for fact in list_events(tx, subject=loop_subject(loop_id))]
