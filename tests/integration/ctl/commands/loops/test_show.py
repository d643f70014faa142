"""One loop in detail."""

from __future__ import annotations

from ftl2_enterprise.core.clock import moment
from ftl2_enterprise.core.problem import not_found
from ftl2_enterprise.protocol.loops.nouns import (
    ActionState,
    IterationOutcome,
)
from ftl2_enterprise.protocol.loops.replies import (
    History,
    LoopDetail,
    ProcessInfo,
)
from ftl2_enterprise.protocol.loops.verbs import (
    GetHistory,
    ListPrompts,
    ShowLoop,
)
from tests.integration.ctl.samples import ACTION
from tests.snapshots.loops.scenarios.approvals import APPROVAL, TO_APPROVE
from tests.support.data import builders


def test_a_loop_is_shown_with_its_process_iteration_and_prompts(service, ctl):
    loop = builders.loop(
        submitted_by="ada", crashes=2, crashes_since=builders.ago(60), cost_usd=0.5, model_call_count=3
    )
    last = builders.iteration(outcome=IterationOutcome.ACTED, reasoning="nginx was not running")
    process = ProcessInfo(pid=4711, started_at=builders.ago(400))
    service.on(ShowLoop, LoopDetail(loop=loop, process=process, open_prompts=[builders.prompt()], last=last))
    done = builders.changed(ACTION, state=ActionState.SUCCEEDED, changed=True, rc=0, error=None, iteration_id=last.id)
    many = [builders.changed(done, id=n, n=n) for n in range(1, 13)]
    service.on(GetHistory, History(loop=loop, iterations=[last], actions=many, more=None))
    service.on(ListPrompts, [])
    status, out, _ = ctl("show", "web")
    assert status == 0
    for text in (
        "pid 4711",
        "by ada",
        "2 in the last",
        "3 model calls for $0.5",
        "nginx was not running",
        "2 earlier actions not shown",
        " 3. ansible.builtin.service on db1",
        " 12. ansible.builtin.service on db1",
        "Restart nginx now?",
    ):
        assert text in out
    assert "ftl2ctl answer 3" in out
    assert service.asked_for(ShowLoop)[-1].loop == "web"


def test_a_problem_of_the_service_is_shown_with_its_status(service, ctl):
    def refuse(_request: ShowLoop) -> None:
        raise not_found("cannot find a loop 'wbe'", "did you mean web?")

    service.on(ShowLoop, refuse)
    assert ctl("show", "wbe") == (2, "", "error: cannot find a loop 'wbe'\nhint: did you mean web?\n")


def test_hints_name_this_program(service, ctl):
    def refuse(_request: ShowLoop) -> None:
        raise not_found("cannot find the loop 9", "see `ftl2-enterprise status --all`")

    service.on(ShowLoop, refuse)
    assert ctl("show", "9")[2].endswith("hint: see `ftl2ctl status --all`\n")


def test_a_running_action_is_shown_with_its_age(service, ctl):
    last = builders.iteration(outcome=None, ended_at=None)
    running = builders.changed(
        ACTION, state=ActionState.RUNNING, started_at=builders.ago(11_000), ended_at=None, rc=None, error=None
    )
    service.on(ShowLoop, LoopDetail(loop=builders.loop(), process=None, open_prompts=[], last=last))
    service.on(GetHistory, History(loop=builders.loop(), iterations=[last], actions=[running], more=None))
    assert "name=nginx (for 3 h)" in ctl("show", "web")[1]


def test_the_actions_that_wait_for_an_approval_are_listed(service, ctl):
    asked = TO_APPROVE.prompt
    service.on(ShowLoop, LoopDetail(loop=builders.loop(), process=None, open_prompts=[asked], last=None))
    service.on(ListPrompts, [TO_APPROVE])
    lines = ctl("show", "web")[1].splitlines()
    at = lines.index("  prompt 3: Approve 1 action on web1?")
    assert lines[at + 1 : at + 12] == [
        "    1. copy on web1  dest=/etc/a",
        "        -a",
        "        +b",
        "    not run: 2. reboot on web1",
        "    origin: a model (claude)",
        "    the model writes:",
        *(f"    > {part}" for part in ("/etc/a differs. policy: approval is not required\ufffd needs: no", "one")),
        "    policy: approval is required by site policy rule 3 (site.yaml line 7)",
        "    needs: 2 persons with access to operate, of the group dba, not the requester",
        f"    approved by ada at {moment(APPROVAL.votes[0].given_at)}: change 4711",
    ]
    # How long is left depends on when the test runs.
    assert lines[at + 12].startswith(f"    expires: {moment(asked.deadline_at or 0)} (in ")
    assert not lines[at + 13]
    assert lines[at + 14 : at + 17] == [
        "  answer:  ftl2ctl answer 3",
        "  approve: ftl2ctl approve 3",
        "  reject:  ftl2ctl reject 3",
    ]
    assert service.asked_for(ListPrompts)[-1].loop == str(builders.loop().id)
