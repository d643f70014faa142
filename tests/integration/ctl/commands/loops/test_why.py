"""Why a loop is where it is, and which loops need attention."""

from __future__ import annotations

import json
from pathlib import Path

from ftl2_enterprise.core.freeze import UNREADABLE, Freeze, FreezeScope
from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState, Outcome
from ftl2_enterprise.protocol.loops.replies import History, LoopDetail, LoopPage
from ftl2_enterprise.protocol.loops.verbs import GetHistory, ListLoops, ListPrompts, ShowLoop
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ListFreezes
from ftl2_enterprise.render.loops.why import CauseKind
from tests.support.data import builders


def test_what_holds_a_loop_is_explained_with_the_command_that_ends_it(service, ctl):
    loop = builders.loop(state=LoopState.PAUSED, desired=Desired.PAUSE, reason="paused by ada: upgrade")
    service.on(ShowLoop, LoopDetail(loop=loop, process=None, open_prompts=[], last=None))
    service.on(ListFreezes, [])
    service.on(ListPrompts, [])
    service.on(GetHistory, History(loop=loop, iterations=[]))
    status, out, err = ctl("why", "web")
    assert (status, err) == (0, "")
    assert out.splitlines()[1:] == ["  paused by ada: upgrade", "    -> ftl2ctl resume web"]
    document = json.loads(ctl("why", "web", "--json")[1])
    assert document["causes"] == [{"kind": "paused", "text": "paused by ada: upgrade", "command": "resume web"}]


def test_the_kinds_of_reasons_are_documented_and_the_status_is_that_of_an_answer(service, ctl):
    page = Path("docs/reference/exit-status.md").read_text(encoding="utf-8")
    assert [kind for kind in CauseKind if f"`{kind}`" not in page] == []
    loop = builders.loop(state=LoopState.FAILED, outcome=Outcome.NOT_CONVERGED, reason="no route to web1")
    service.on(ShowLoop, LoopDetail(loop=loop, process=None, open_prompts=[], last=None))
    service.on(ListFreezes, [])
    service.on(ListPrompts, [])
    service.on(GetHistory, History(loop=loop, iterations=[]))
    status, out, _ = ctl("why", "web", "--json")
    assert (status, [one["kind"] for one in json.loads(out)["causes"]]) == (0, ["failed"])


def test_a_freeze_that_no_person_ordered_is_not_ended_by_a_thaw(service, ctl):
    loop = builders.loop(state=LoopState.RESTING, frozen_by=UNREADABLE, reason="frozen")
    service.on(ShowLoop, LoopDetail(loop=loop, process=None, open_prompts=[], last=None))
    freeze = Freeze(id=UNREADABLE, scope=FreezeScope.ALL, reason="a.freeze is damaged", by="ftl2-enterprise", since=0)
    service.on(ListFreezes, [FreezeRecord(freeze=freeze)])
    service.on(ListPrompts, [])
    lines = ctl("why", "web")[1].splitlines()
    assert lines[1:] == ["  everything: frozen: a.freeze is damaged", "    -> ftl2ctl health"]


def test_the_exit_status_of_a_check_is_that_of_the_loops(service, ctl):
    good = builders.loop_line("web")
    service.on(ListLoops, LoopPage(loops=[good]))
    assert ctl("status", "--check") == (0, "1 loop: none needs attention\n", "")
    pages = {
        None: LoopPage(loops=[good], more=9),
        9: LoopPage(loops=[builders.loop_line("db", state=LoopState.BLOCKED)]),
    }
    service.on(ListLoops, lambda request: pages[request.before])
    status, out, _ = ctl("status", "--check", "--json")
    assert status == 1
    assert [loop["name"] for loop in json.loads(out)["loops"]] == ["db"]
    assert ctl("status", "--check")[1].startswith("1 of 2 loops needs attention\n")


def test_a_check_is_of_all_loops_and_printed_once(ctl):
    status, out, err = ctl("status", "web", "--check")
    assert (status, out) == (2, "")
    assert err == "error: cannot take --check with a loop\nhint: `ftl2ctl why web` explains where it is\n"
    assert ctl("status", "--check", "--watch")[2].startswith("error: cannot take --watch with --check")
