"""The history of a loop."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.nouns import (
    IterationOutcome,
    PromptState,
)
from ftl2_enterprise.protocol.loops.replies import (
    History,
)
from ftl2_enterprise.protocol.loops.verbs import (
    GetHistory,
    ListPrompts,
)
from tests.integration.ctl.samples import ACTION
from tests.support.data import builders


def test_history_with_actions(service, ctl):
    service.on(
        GetHistory,
        History(
            loop=builders.loop(),
            iterations=[builders.iteration(outcome=IterationOutcome.ACTED)],
            actions=[ACTION],
            more=12,
            prompts=[builders.prompt(state=PromptState.ANSWERED, answer="yes")],
        ),
    )
    status, out, _ = ctl("history", "web", "--actions", "-n", "3")
    assert status == 0
    assert "iteration 12" in out
    assert "FAILED" in out
    assert "| no such unit" in out
    assert "Restart nginx now? -> answered: yes" in out
    assert "ftl2ctl history web --before 12 --actions" in out
    assert service.asked_for(GetHistory)[0] == GetHistory(loop="web", actions=True, limit=3)


def test_changes_are_read_until_the_page_is_full(service, ctl):
    def page(request: GetHistory) -> History:
        first = request.before is None
        found = (
            [builders.iteration(n=90, id=90)]
            if first
            else [builders.iteration(n=3, id=3), builders.iteration(n=5, id=5)]
        )
        return History(loop=builders.loop(), iterations=found, more=50 if first else 3)

    service.on(GetHistory, page)
    service.on(ListPrompts, [])
    out = ctl("history", "web", "--changed", "-n", "3")[1]
    assert [one.split()[1] for one in out.splitlines() if one.startswith("iteration ")] == ["3", "5", "90"]
    assert out.splitlines()[-1] == "earlier: ftl2ctl history web --before 3 --changed"
    assert [(one.before, one.limit, one.changed) for one in service.asked_for(GetHistory)] == [
        (None, 3, True),
        (50, 2, True),
    ]
    service.on(GetHistory, History(loop=builders.loop(), iterations=[], more=None))
    assert "no iteration has changed anything, failed or prompted" in ctl("history", "web", "--changed")[1]


def test_a_number_before_the_first_iteration_is_refused(service, ctl):
    status, _, err = ctl("history", "web", "--before", "0")
    assert status == 2
    assert "cannot take 0 for --before" in err
    assert "it must be at least 1" in err
    assert not service.asked_for(GetHistory)
