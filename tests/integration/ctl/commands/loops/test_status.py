"""The list of loops."""

from __future__ import annotations

import json

import pytest

from ftl2_enterprise.protocol.loops.nouns import (
    LoopState,
)
from ftl2_enterprise.protocol.loops.replies import (
    LoopDetail,
    LoopPage,
    PromptLine,
)
from ftl2_enterprise.protocol.loops.verbs import (
    ListLoops,
    ListPrompts,
    ShowLoop,
)
from tests.support.data import builders


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (("status", "-n", "1"), "ftl2ctl status --limit 1000"),
        (("status", "--all", "-n", "1"), "ftl2ctl status --all --limit 1000"),
        (("list", "-a", "-n", "200"), "ftl2ctl status --all --limit 2000"),
    ],
)
def test_more_of_the_same_list_is_offered(service, ctl, words, more):
    service.on(ListLoops, lambda request: LoopPage(loops=[builders.loop_line()] * request.limit, more=4))
    assert ctl(*words)[1].splitlines()[-1] == f"more: {more}"


def test_status_lists_loops_and_open_prompts(service, ctl):
    service.on(ListLoops, LoopPage(loops=[builders.loop_line("web", open_prompts=1, state=LoopState.WAITING)]))
    service.on(ListPrompts, [PromptLine(prompt=builders.prompt(3), loop="web")])
    status, out, err = ctl("status")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == "1 loop: 1 waiting for you"
    assert "Restart nginx now?" in out
    assert "-> ftl2ctl answer 3" in out
    assert service.asked_for(ListLoops) == [ListLoops(finished=False)]


def test_status_in_json_is_one_document_with_iso_times(service, ctl):
    service.on(ListLoops, LoopPage(loops=[builders.loop_line("web")]))
    status, out, _ = ctl("status", "--json")
    document = json.loads(out)
    assert status == 0
    assert set(document) == {"loops", "more", "draining"}
    assert document["loops"][0]["name"] == "web"
    assert document["loops"][0]["updated_at"].endswith("Z")


def test_status_reads_every_page(service, ctl):
    pages = {
        None: LoopPage(loops=[builders.loop_line("a", id=9)], more=9),
        9: LoopPage(loops=[builders.loop_line("b", id=8)]),
    }
    service.on(ListLoops, lambda request: pages[request.before])
    _, out, _ = ctl("status", "--all", "--json")
    assert [loop["name"] for loop in json.loads(out)["loops"]] == ["a", "b"]
    _, out, _ = ctl("status", "-n", "1", "--json")
    assert json.loads(out)["more"] == 9


def test_an_empty_list_offers_what_to_do(service, ctl):
    service.on(ListLoops, LoopPage(loops=[]))
    assert ctl("status")[1] == "no loops yet: ftl2ctl submit -f FILE\n"
    service.on(ListLoops, lambda request: LoopPage(loops=[builders.loop_line()] if request.finished else []))
    assert "ftl2ctl status --all" in ctl("status")[1]


def test_status_of_one_loop_is_show(service, ctl):
    service.on(ShowLoop, LoopDetail(loop=builders.loop(), process=None, open_prompts=[], last=None))
    assert ctl("status", "web")[1] == ctl("show", "web")[1]


def test_a_live_list_needs_a_terminal(service, ctl):
    status, _, err = ctl("status", "--watch")
    assert status == 2
    assert "cannot show a live list: --watch needs a terminal" in err
