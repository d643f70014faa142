"""The table of children as control knows it."""

from __future__ import annotations

from ftl2_enterprise.core.children import Urgency
from ftl2_enterprise.core.end_reason import Why
from ftl2_enterprise.supervisor.control.children import Children
from ftl2_enterprise.supervisor.control.root_messages import ChildEnded, ChildStarted, TableLine

NOW = 1_700_000_000_000_000


def started(children: Children, key: str = "loop:1", pid: int = 11) -> None:
    children.started(ChildStarted(key=key, pid=pid, at=NOW))


def test_a_child_is_in_the_table_from_the_order_until_its_end_is_recorded() -> None:
    children = Children()
    children.ordered("loop:1", NOW)
    assert children.table["loop:1"].pid is None
    started(children)
    assert (children.table["loop:1"].pid, children.table["loop:1"].stopping) == (11, False)
    child, ending = children.ended(ChildEnded(key="loop:1", pid=11, why=Why.KILLED, signal=9, ran=2.5), NOW)
    assert (child.pid, ending.why, ending.signal, ending.ran) == (11, Why.KILLED, 9, 2.5)
    # It stays, so that no pass starts another one before it is known how this one ended.
    assert (children.table["loop:1"].pid, children.table["loop:1"].stopping) == (None, True)
    assert not children.asked("loop:1", Urgency.KILL)
    children.gone("loop:1")
    assert not children.table


def test_a_child_is_asked_to_end_once_for_each_urgency() -> None:
    children = Children()
    started(children)
    asked = [Urgency.SAFE_POINT, Urgency.SAFE_POINT, Urgency.NOW, Urgency.SAFE_POINT, Urgency.KILL, Urgency.NOW]
    assert [children.asked("loop:1", urgency) for urgency in asked] == [True, False, True, False, True, False]
    assert children.table["loop:1"].stopping
    assert not children.asked("loop:2", Urgency.NOW)


def test_a_child_that_is_being_started_can_be_asked_to_end() -> None:
    children = Children()
    children.ordered("loop:1", NOW)
    assert children.asked("loop:1", Urgency.SAFE_POINT)
    started(children)
    assert children.table["loop:1"].stopping


def test_a_stop_requested_by_the_previous_control_is_not_repeated() -> None:
    children = Children()
    children.load([TableLine(key="loop:1", pid=5, at=NOW, stopping=True), TableLine(key="loop:2", pid=6, at=NOW)])
    assert not children.asked("loop:1", Urgency.SAFE_POINT)
    assert children.asked("loop:1", Urgency.NOW)
    assert children.asked("loop:2", Urgency.SAFE_POINT)


def test_a_child_from_before_an_upgrade_is_one_until_it_is_asked_to_end() -> None:
    children = Children()
    children.load([TableLine(key="loop:1", pid=5, at=NOW, old=True), TableLine(key="loop:2", pid=6, at=NOW)])
    assert list(children.old) == ["loop:1"]
    assert children.asked("loop:1", Urgency.SAFE_POINT)
    assert not list(children.old)


def test_a_message_about_an_earlier_process_does_not_remove_the_current_one() -> None:
    children = Children()
    started(children, pid=12)
    child, ending = children.ended(ChildEnded(key="loop:1", pid=11, why=Why.EXITED, status=0), NOW)
    children.gone(child.key)
    assert ending.pid == 11
    assert children.table["loop:1"].pid == 12


def test_a_start_that_is_reported_while_an_end_is_recorded_is_kept() -> None:
    children = Children()
    started(children, pid=11)
    children.ended(ChildEnded(key="loop:1", pid=11, why=Why.EXITED, status=0), NOW)
    started(children, pid=12)
    children.gone("loop:1")
    assert (children.table["loop:1"].pid, children.table["loop:1"].stopping) == (12, False)
    assert children.asked("loop:1", Urgency.SAFE_POINT)


def test_every_change_is_another_version() -> None:
    children = Children()
    seen = {children.version}
    for change in (
        lambda: children.ordered("loop:1", NOW),
        lambda: started(children),
        lambda: children.asked("loop:1", Urgency.NOW),
        lambda: children.ended(ChildEnded(key="loop:1", pid=11, why=Why.EXITED), NOW),
        lambda: children.gone("loop:1"),
    ):
        change()
        assert children.version not in seen
        seen.add(children.version)


def test_a_manager_is_shown_its_own_children_only() -> None:
    children = Children()
    for key in ("loop:1", "loops:2", "task:3"):
        started(children, key)
    assert set(children.of("loop")) == {"loop:1"}
