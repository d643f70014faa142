"""The event log."""

from __future__ import annotations

import json
from typing import Any

from ftl2_enterprise.core.clock import iso
from ftl2_enterprise.core.problem import Code, Problem, not_found
from ftl2_enterprise.protocol.loops.facts import LoopFailed
from ftl2_enterprise.protocol.loops.replies import (
    LoopDetail,
    LoopPage,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListLoops,
    ShowLoop,
)
from ftl2_enterprise.protocol.service.verbs import (
    EventPage,
    ListEvents,
    WatchEvents,
)
from tests.support.data import builders


def test_events_from_a_cursor(service, ctl):
    page = EventPage(
        events=[builders.event(5, LoopFailed, reason="no way"), builders.event(6, "service.started", "")],
        cursor=6,
    )
    service.on(ListEvents, page)
    service.on(ListLoops, LoopPage(loops=[builders.loop_line("web")]))
    out = ctl("events", "--after", "4")[1]
    assert 'web loop.failed reason="no way"' in out
    assert "service.started" in out
    assert service.asked_for(ListEvents)[0] == ListEvents(after=4, limit=30)
    document = json.loads(ctl("events", "--json")[1])
    assert [one["id"] for one in document["events"]] == [5, 6]
    assert [one["at"] for one in document["events"]] == [iso(builders.event(5, "a.b").at)] * 2
    assert document["cursor"] == 6
    assert service.asked_for(ListEvents)[-1].newest


def test_the_name_of_a_host_is_no_subject_and_the_hint_names_the_command(service, ctl):
    def refuse(request):
        raise not_found('cannot find the loop "web1"', "see `ftl2ctl status --all`")

    service.on(ListEvents, refuse)
    status, _, err = ctl("events", "web1")
    assert status == not_found("cannot find it").exit_status
    assert "see `ftl2ctl status --all`; events are not recorded by host: `ftl2ctl hosts` lists" in err


def test_the_name_of_an_unlisted_loop_is_read_once(service, ctl):
    def loop(request):
        if request.loop == "8":
            raise not_found("cannot find the loop 8")
        return LoopDetail(loop=builders.loop("old", id=7), process=None, open_prompts=[], last=None)

    events = [builders.event(number, "a.b", subject=f"loop:{number % 2 + 7}") for number in range(10)]
    service.on(ListEvents, EventPage(events=events, cursor=9))
    service.on(ListLoops, LoopPage(loops=[]))
    service.on(ShowLoop, loop)
    lines = ctl("events")[1].splitlines()
    assert [("old" in line, "loop 8" in line) for line in lines] == [(True, False), (False, True)] * 5
    assert [len(service.asked_for(verb)) for verb in (ListLoops, ShowLoop)] == [1, 2]


def test_new_events_are_lines_of_json(service, ctl):
    service.on(ListEvents, EventPage(events=[builders.event(5, "a.b")], cursor=5))

    def items(request: WatchEvents) -> list[Any]:
        if request.after == 7:
            raise Problem(Code.DENIED, "cannot continue: that is all")
        return [builders.event(6, "c.d"), builders.event(7, "e.f")]

    service.on(WatchEvents, items)
    status, out, _ = ctl("events", "--follow", "--json")
    lines = [json.loads(text) for text in out.splitlines()[:3]]
    assert [one["id"] for one in lines] == [5, 6, 7]
    assert status == 77
    assert [request.after for request in service.asked_for(WatchEvents)] == [5, 7]
