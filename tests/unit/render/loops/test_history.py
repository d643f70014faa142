"""The history of a loop as lines."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.decision import Decision
from ftl2_enterprise.protocol.loops.facts import IterationChecked
from ftl2_enterprise.protocol.loops.nouns import ActionState, IterationOutcome, ObservationState
from ftl2_enterprise.protocol.loops.replies import History
from ftl2_enterprise.render.loops import fact_lines, history
from tests.support.data.builders import NOW, action, iteration, loop, observation


def test_history_shows_where_no_op_iterations_were_removed():
    def removed(*numbers: int, from_first: bool) -> dict[int, str]:
        every = [iteration(n, id=100 + n) for n in numbers]
        found = history.removed_lines(every, from_first=from_first)
        return {key - 100: one.plain for key, one in found.items()}

    missing = "no longer stored"
    assert removed(from_first=True) == removed(1, 2, 3, from_first=True) == removed(7, 8, from_first=False) == {}
    assert removed(3, 4, 9, from_first=True) == {
        3: f"2 no-op iterations {missing}",
        9: f"4 no-op iterations {missing}",
    }
    assert removed(3, 5, from_first=False) == {5: f"1 no-op iteration {missing}"}


def test_the_reason_of_several_denials_is_shown_once():
    denied = iteration(12, outcome=IterationOutcome.DENIED, error="service on web1: no restarts by day")
    actions = [action(n, state=ActionState.DENIED, error="no restarts by day") for n in (1, 2, 3)]

    def shown(*those) -> str:
        page = History(loop=loop(), iterations=[denied], actions=list(those), more=None)
        return "\n".join(one.plain for one in history.page_lines(page, NOW))

    assert shown(*actions).count("no restarts by day") == 1
    assert shown(*actions).count("DENIED") == 3
    # Without actions the error of the iteration is all that explains it.
    assert shown().count("no restarts by day") == 1


def test_what_could_not_be_observed_is_unknown_and_no_difference():
    unmet = ["motd: /etc/motd differs", "nginx: web1 cannot be reached"]
    decided = iteration(12, decision=Decision(reasoning="two steps", unmet=unmet, unknown=unmet[1:]))
    expected = ["not as desired: motd: /etc/motd differs", "unknown: nginx: web1 cannot be reached"]
    checked = fact_lines.iteration_checked(
        IterationChecked(iteration_id=1, held=False, unmet=unmet, unknown=unmet[1:])
    )
    for lines in (history.iteration_lines(decided), fact_lines.unmet(unmet, unmet[1:]), checked):
        assert [one.plain.strip(" ?≠") for one in lines][-2:] == expected


def page_of(*found, revision: int = 1, observations=()) -> list[str]:
    page = History(loop=loop(revision=revision), iterations=list(found), more=3, observations=list(observations))
    return [one.plain.strip() for one in history.page_lines(page, NOW)]


def test_history_shows_what_a_model_observed_and_with_which_fence():
    seen = [
        observation("up", '{"rc":0,"stdout":"active","changed":false,"fence":"sandbox"}'),
        observation("svc", '{"changed":true,"fence":"check_mode"}', module="service", params={"name": "nginx"}),
        observation("key", "{}", params={"cmd": "cat /k"}, state=ObservationState.DENIED, error="no keys"),
        observation("unsafe", '{"stdout":"a","fence":"none"}', params={"cmd": "a"}),
    ]
    shown = page_of(iteration(12), iteration(13, id=13), observations=seen)
    start = shown.index("observed, as the model requested:")
    assert shown[start + 1 : start + 5] == [
        'command on web1 cmd="systemctl is-active nginx" (up, read-only sandbox): active',
        "service on web1 name=nginx (svc, check mode): would change in check mode",
        'command on web1 cmd="cat /k" (key): denied: no keys',
        "command on web1 cmd=a (unsafe, without a sandbox): a",
    ]
    assert shown[start + 5].startswith("iteration 13")


def test_the_first_revision_is_shown_once_there_is_a_second_one():
    assert "  revision 1  " in page_of(iteration(12), revision=2)[-1]
    assert "revision" not in page_of(iteration(12))[-1]
