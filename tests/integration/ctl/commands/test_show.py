"""`ftl2ctl show`, `actions`, `output`, `hosts` and `resources`: the details of a loop."""

from __future__ import annotations

import json

from ftl2_enterprise.protocol.loops.hosts import Host, HostState, Resource
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome
from ftl2_enterprise.protocol.loops.replies import (
    ActionPage,
    History,
    HostLine,
    LoopDetail,
    ProcessInfo,
    ResourceLine,
    WholeText,
)
from ftl2_enterprise.protocol.loops.verbs import GetHistory, GetText, ListActions, ListHosts, ListResources, ShowLoop
from tests.integration.ctl.replies import ACTION
from tests.support import builders


def test_show_tells_what_a_loop_is_and_does(service, ctl):
    loop = builders.loop(
        submitted_by="ada", crashes=2, crashes_since=builders.ago(60), cost_usd=0.5, model_call_count=3
    )
    last = builders.iteration(outcome=IterationOutcome.ACTED, reasoning="nginx was not running")
    process = ProcessInfo(pid=4711, started_at=builders.ago(400))
    service.on(ShowLoop, LoopDetail(loop=loop, process=process, open_prompts=[builders.prompt()], last=last))
    done = builders.changed(ACTION, state=ActionState.SUCCEEDED, changed=True, rc=0, error=None, iteration_id=last.id)
    many = [builders.changed(done, id=n, n=n) for n in range(1, 13)]
    service.on(GetHistory, History(loop=loop, iterations=[last], actions=many, more=None))
    status, out, _ = ctl("show", "web")
    assert status == 0
    for text in (
        "pid 4711",
        "by ada",
        "2 since",
        "3 model calls for $0.5",
        "nginx was not running",
        "after 2 actions before these",
        " 3. ansible.builtin.service on db1",
        " 12. ansible.builtin.service on db1",
        "Restart nginx now?",
    ):
        assert text in out
    assert "ftl2ctl answer 3" in out
    assert service.asked_for(ShowLoop)[-1].loop == "web"


def test_actions_and_their_output(service, ctl):
    service.on(ListActions, ActionPage(actions=[ACTION], more=7))
    status, out, _ = ctl("actions", "web", "--state", "failed")
    assert status == 0
    assert "ftl2ctl output abc123" in out
    assert "ftl2ctl actions web --before 7" in out
    assert service.asked_for(ListActions)[0].state is ActionState.FAILED
    service.on(GetText, lambda request: WholeText(digest=request.digest, text="line\n\x1b[31mred"))
    # Not to a terminal: it is given as it is.
    assert ctl("output", "abc123")[1] == "line\n\x1b[31mred"
    service.on(ListActions, ActionPage(actions=[]))
    assert ctl("actions", "web", "-s", "unknown")[1] == "no actions of web that are unknown\n"


def test_what_is_known(service, ctl):
    host = Host(
        id=1,
        loop_id=1,
        name="db1",
        ansible_host="10.0.0.1",
        ansible_port=2222,
        ansible_user="root",
        groups=["db"],
        facts={"system": "Linux"},
        state=HostState.KNOWN,
        created_at=builders.ago(10),
        updated_at=builders.ago(10),
    )
    service.on(ListHosts, [HostLine(host=host, loop="web")])
    out = ctl("hosts", "web")[1]
    assert all(text in out for text in ("db1", "root@10.0.0.1:2222", "system=Linux"))
    resource = Resource(id=1, loop_id=1, name="vm", data={"ip": "::1"}, created_at=1, updated_at=builders.ago(5))
    service.on(ListResources, [ResourceLine(resource=resource, loop="web")])
    assert "ip=::1" in ctl("resources")[1]
    assert json.loads(ctl("resources", "--json")[1])[0]["resource"]["created_at"].startswith("1970-01-01T")
    service.on(ListHosts, [])
    assert ctl("hosts")[1].startswith("no hosts: listed are those that a loop has made or added itself")
    service.on(ListResources, [])
    assert ctl("resources")[1].startswith("no resources: listed are the machines that a loop has made")
