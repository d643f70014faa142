"""What is shown of loops, their questions and rules, and what is switched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from ftl2_enterprise.core import clock, lease
from ftl2_enterprise.core.children import Child, Queue, Table
from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.loops.engine import prompting
from ftl2_enterprise.loops.handlers import queries as query_handlers, table as handlers
from ftl2_enterprise.loops.lifecycle import ActionEvent
from ftl2_enterprise.loops.rows import (
    actions as action_rows,
    hosts as host_rows,
    loop_list,
    loops as loop_rows,
    prompts as prompt_rows,
)
from ftl2_enterprise.protocol.loops import verbs
from ftl2_enterprise.protocol.loops.facts import LoopCompleted, LoopFailed
from ftl2_enterprise.protocol.loops.nouns import ActionState, PromptState
from ftl2_enterprise.protocol.loops.replies import ProcessInfo, Queued
from ftl2_enterprise.protocol.verb import reply_of
from ftl2_enterprise.render.loops.history import iteration_lines
from ftl2_enterprise.store import texts
from ftl2_enterprise.wiring.loops import host_trust
from tests.support.data.database import (
    ask,
    begun_iteration,
    caller_for,
    end_iteration,
    one_of_each,
    propose,
    spec,
    started_loop,
)
from tests.support.data.facts import sample

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.store.database import Store

GOOD = '''"""Make it so.

In more words."""
applies_to = "everything"
async def condition(state): return True
async def action(ftl): pass
'''


def see(db: Store, request: Request[Any], *children: Child) -> Any:
    table = Table()
    table.update({child.key: child for child in children})
    with db.read() as tx:
        return handlers.READS[type(request)](tx, request, table)


def do(db: Store, request: Request[Any]) -> Any:
    with db.write() as tx:
        tx.actor = "eva"
        return handlers.WRITES[type(request)].call(request, *caller_for(request)).execute(tx)


def test_every_verb_of_loops_has_one_handler_of_the_declared_type() -> None:
    reads, writes, system = handlers.READS, handlers.WRITES, set(host_trust.SYSTEM)
    assert not set(reads) & set(writes)
    assert not (set(reads) | set(writes)) & system
    assert set(reads) | set(writes) | system == set(verbs.VERBS)
    assert all(verb.writes == (verb in writes) for verb in verbs.VERBS)
    assert all(unit.hints["return"] == reply_of(verb) for verb, unit in writes.items())


def test_a_list_has_pages_and_omits_ended_loops(db: Store) -> None:
    with db.write() as tx:
        for n in range(1, 6):
            loop, generation = started_loop(tx, f"loop-{n}")
            if n == 2:
                loop_rows.move_loop(tx, loop.id, generation, sample(LoopCompleted), outcome="converged")
    first = see(db, verbs.ListLoops(limit=2))
    assert ([line.name for line in first.loops], first.more) == (["loop-5", "loop-4"], 4)
    rest = see(db, verbs.ListLoops(limit=2, before=first.more))
    assert ([line.name for line in rest.loops], rest.more) == (["loop-3", "loop-1"], None)
    every = see(db, verbs.ListLoops(finished=True))
    assert [line.id for line in every.loops] == [5, 4, 3, 2, 1]
    assert every.more is None


def test_loops_that_wait_for_a_place_are_shown_as_queued(db: Store) -> None:
    with db.write() as tx:
        first, second = (loop_rows.create_loop(tx, spec(name)) for name in ("a", "b"))
    children = Table()
    children["loop:1"] = Child(key="loop:1", pid=7, started_at=0)
    children.queue = Queue(order={"loop:1": 1, "loop:2": 2}, taken=1, places=1)
    with db.read() as tx:
        lines = query_handlers.list_loops(tx, verbs.ListLoops(), children).loops
        details = [
            query_handlers.show_loop(tx, verbs.ShowLoop(loop=str(loop.id)), children) for loop in (second, first)
        ]
        page = query_handlers.list_loops(tx, verbs.ListLoops(), children)
        assert (page.draining, details[0].draining) == (False, False)
        children.draining = True
        page = query_handlers.list_loops(tx, verbs.ListLoops(), children)
        detail = query_handlers.show_loop(tx, verbs.ShowLoop(loop="a"), children)
        assert (page.draining, detail.draining) == (True, True)
    # A process that has been ordered since is one.
    for queued in ([line.queued for line in lines], [detail.queued for detail in details]):
        assert queued == [Queued(place=2, taken=1, places=1), None]


def test_a_loop_that_failed_lately_is_not_hidden(db: Store) -> None:
    with db.write() as tx:
        for name in ("a", "b", "c", "d"):
            loop, generation = started_loop(tx, name)
            if name in "bc":
                loop_rows.move_loop(tx, loop.id, generation, sample(LoopFailed), outcome="failed", reason="no")
    assert [line.name for line in see(db, verbs.ListLoops()).loops] == ["d", "c", "b", "a"]
    with db.write() as tx:
        long_ago = clock.after(tx.now, -2 * loop_list.RECENT)
        loop_rows.change_loop(tx, loop_rows.get_loop(tx, "b").id, ended_at=long_ago)
    first = see(db, verbs.ListLoops(limit=1))
    assert ([line.name for line in first.loops], first.more) == (["d"], 4)
    second = see(db, verbs.ListLoops(limit=1, before=first.more))
    assert ([line.name for line in second.loops], second.more) == (["c"], 3)
    assert [line.name for line in see(db, verbs.ListLoops(before=second.more)).loops] == ["a"]


def test_a_line_has_the_values_of_the_loop(db: Store) -> None:
    with db.write() as tx:
        iteration = one_of_each(tx)
        loop_rows.change_loop(tx, iteration.loop_id, managed=True, owner=lease.current())
    (line,) = see(db, verbs.ListLoops()).loops
    with db.read() as tx:
        loop = loop_rows.get_loop(tx, "web")
    shared = set(line.__struct_fields__) - {"pid", "queued", "model_wait", "stale", "dry_run", "only_reports"}
    assert {name: getattr(line, name) for name in shared} == {name: getattr(loop, name) for name in shared}
    # Without a child it is the living owner of the claim.
    assert line.pid == int(lease.current().split(":")[1])
    child = Child(key="loop:1", pid=77, started_at=5, stopping=True)
    assert see(db, verbs.ListLoops(), child).loops[0].pid == 77


def test_show_loop_has_its_details(db: Store) -> None:
    with db.write() as tx:
        iteration = one_of_each(tx)
    shown = see(db, verbs.ShowLoop(loop="web"), Child(key="loop:1", pid=77, started_at=5, stopping=True))
    assert shown.loop.name == "web"
    assert shown.process == ProcessInfo(pid=77, started_at=5, stopping=True)
    assert [prompt.key for prompt in shown.open_prompts] == ["port"]
    assert shown.last.id == iteration.id
    assert see(db, verbs.ShowLoop(loop="1")).process is None
    with pytest.raises(Problem, match="cannot find the loop"):
        see(db, verbs.ShowLoop(loop="nope"))


def test_history_has_pages_in_order(db: Store) -> None:
    with db.write() as tx:
        loop, _ = started_loop(tx)
        for n in range(1, 6):
            iteration = loop_rows.insert_iteration(tx, loop.id, 1)
            propose(tx, iteration, host=f"h{n}")
            end_iteration(tx, iteration.id)
    last = see(db, verbs.GetHistory(loop="web", limit=2, actions=True))
    assert ([one.n for one in last.iterations], last.more) == ([4, 5], 4)
    assert [action.host for action in last.actions] == ["h4", "h5"]
    before = see(db, verbs.GetHistory(loop="web", limit=3, before=last.more))
    assert ([one.n for one in before.iterations], before.more, before.actions) == ([1, 2, 3], None, [])


def test_a_page_of_history_ends_where_its_actions_become_too_many(db: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftl2_enterprise.loops.handlers.queries.MOST_ACTIONS", 4)
    with db.write() as tx:
        loop, _ = started_loop(tx)
        for n in range(1, 6):
            iteration = loop_rows.insert_iteration(tx, loop.id, 1)
            for host in range(7 if n == 3 else 2):
                propose(tx, iteration, host=f"h{host}", n=host + 1)
            end_iteration(tx, iteration.id)
    pages: list[tuple[list[int], int]] = []
    before = None
    while not pages or before is not None:
        page = see(db, verbs.GetHistory(loop="web", limit=1000, actions=True, before=before))
        pages.append(([one.n for one in page.iterations], len(page.actions)))
        before = page.more
    assert pages == [([4, 5], 4), ([3], 7), ([1, 2], 4)]
    whole = see(db, verbs.GetHistory(loop="web", limit=1000))
    assert [one.n for one in whole.iterations] == [1, 2, 3, 4, 5]


def test_actions_have_pages_and_can_be_chosen(db: Store) -> None:
    with db.write() as tx:
        iteration = begun_iteration(tx)
        ids = [propose(tx, iteration, n=n) for n in range(1, 6)]
        action_rows.move_action(tx, ids[1], ActionEvent.SKIPPED, error="no")
    page = see(db, verbs.ListActions(loop="web", limit=2))
    assert ([one.id for one in page.actions], page.more) == ([ids[4], ids[3]], ids[3])
    page = see(db, verbs.ListActions(loop="web", limit=9, before=page.more))
    assert ([one.id for one in page.actions], page.more) == ([ids[2], ids[1], ids[0]], None)
    assert [one.id for one in see(db, verbs.ListActions(loop="web", state=ActionState.SKIPPED)).actions] == [ids[1]]


def test_a_long_text_can_be_read_whole(db: Store) -> None:
    with db.write() as tx:
        digest = texts.put(tx, "long " * 5000).digest
    assert digest is not None
    assert see(db, verbs.GetText(digest=digest)).text == "long " * 5000
    for beginning in (digest[:6], digest[:63].upper()):
        found = see(db, verbs.GetText(digest=beginning))
        assert (found.digest, found.text) == (digest, "long " * 5000)
    for wrong in ("nope", digest[:5], f"{digest}0", "ab%_cd", "fffffff" if digest < "f" else "0000000"):
        with pytest.raises(Problem, match="cannot find the text") as caught:
            see(db, verbs.GetText(digest=wrong))
        assert caught.value.code is Code.NOT_FOUND


def test_an_ambiguous_digest_prefix_is_refused(db: Store) -> None:
    with db.write() as tx:
        for n in range(2):
            tx.connection.execute(insert(texts.texts), {"digest": f"abcdef{n}{'0' * 57}", "size": 1, "body": b""})
    with pytest.raises(Problem, match="the prefix is ambiguous") as caught:
        see(db, verbs.GetText(digest="abcdef"))
    assert caught.value.code is Code.INVALID


def test_hosts_and_resources_are_listed(db: Store) -> None:
    with db.write() as tx:
        one_of_each(tx)
        other, _ = started_loop(tx, "other")
        host_rows.upsert_host(tx, other.id, "a1")
    assert [(line.loop, line.host.name) for line in see(db, verbs.ListHosts())] == [("web", "web1"), ("other", "a1")]
    assert [line.host.name for line in see(db, verbs.ListHosts(loop="other"))] == ["a1"]
    assert [(line.loop, line.resource.name) for line in see(db, verbs.ListResources())] == [("web", "disk1")]
    assert see(db, verbs.ListResources(loop="other")) == []


# --- questions -----------------------------------------------------------------------------------------------------


def test_questions_are_listed_and_shown(db: Store) -> None:
    with db.write() as tx:
        iteration = one_of_each(tx)
        ask(tx, iteration, "second")
    assert [line.prompt.key for line in see(db, verbs.ListPrompts())] == ["second", "port"]
    assert [line.loop for line in see(db, verbs.ListPrompts(loop="web", limit=1))] == ["web"]
    do(db, verbs.DismissPrompt(prompt=2))
    assert [line.prompt.id for line in see(db, verbs.ListPrompts())] == [1]
    assert [line.prompt.id for line in see(db, verbs.ListPrompts(settled=True))] == [2, 1]
    shown = see(db, verbs.ShowPrompt(prompt=1))
    assert (shown.loop, shown.desired_state) == ("web", "nginx answers")
    assert [one.name for one in shown.observations] == ["disk"]


def test_a_prompt_is_answered_once(db: Store) -> None:
    with db.write() as tx:
        one_of_each(tx)
    with pytest.raises(Problem, match="cannot accept '3' as an answer to prompt 1") as caught:
        do(db, verbs.AnswerPrompt(prompt=1, answer="3"))
    assert caught.value.hint == "choose one of: 1 for '80', 2 for '8080'"
    given = do(db, verbs.AnswerPrompt(prompt=1, answer=" 2 "))
    assert (given.state, given.answer, given.answered_by) == (PromptState.ANSWERED, "8080", "eva")
    for request in (verbs.AnswerPrompt(prompt=1, answer="80"), verbs.DismissPrompt(prompt=1)):
        with pytest.raises(Problem, match="it is answered by eva: '8080'") as caught:
            do(db, request)
        assert caught.value.code is Code.CONFLICT
    with pytest.raises(Problem, match="cannot answer prompt 9: there is no such prompt"):
        do(db, verbs.AnswerPrompt(prompt=9, answer="80"))


def test_dismissing_twice_is_allowed(db: Store) -> None:
    with db.write() as tx:
        asked = ask(tx, one_of_each(tx), "other", default=None)
    assert do(db, verbs.DismissPrompt(prompt=asked)) == do(db, verbs.DismissPrompt(prompt=asked))
    with db.read() as tx:
        found = prompt_rows.get_prompt(tx, asked)
        assert (found.state, found.dismissed_by) == (PromptState.DISMISSED, "eva")
        assert loop_rows.get_loop(tx, "web").open_prompts == 1


def test_the_default_of_a_question_that_is_dismissed_is_its_answer(db: Store) -> None:
    with db.write() as tx:
        iteration = one_of_each(tx)
        asked = ask(tx, iteration, "greeting", default="8080")
        prompt_rows.answer_prompt(tx, 1, "80", "eva")
    taken = do(db, verbs.DismissPrompt(prompt=asked))
    assert do(db, verbs.DismissPrompt(prompt=asked)) == taken
    assert (taken.state, taken.answer) == (PromptState.ANSWERED, "8080")
    assert taken.answered_by == "default, dismissed by eva"
    with db.read() as tx:
        assert [
            (one.answer, one.is_default)
            for one in prompting.answers(tx, loop_rows.get_loop(tx, iteration.loop_id))[0]
        ] == [
            ("80", False),
            ("8080", True),
        ]
    assert iteration_lines(iteration, [taken])[-1].plain.endswith("-> dismissed by eva; its default counts: 8080")
