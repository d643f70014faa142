"""What the shell announces while the user types."""

from __future__ import annotations

from msgspec.structs import replace

from ftl2_enterprise.core.problem import Code, Problem, unavailable
from ftl2_enterprise.ctl.repl import notifications
from ftl2_enterprise.ctl.repl.snapshot import Snapshot
from tests.support.terminal.shell_part import PARTS, seen


def news(before: Snapshot, now: Snapshot, *, shown: frozenset[str] = frozenset()) -> list[str]:
    return [one.plain for one in notifications.news(before, now, PARTS, shown=shown)]


def test_each_part_announces_its_changes():
    assert news(seen(), seen(apples=2, pears=3)) == ["2 apples", "3 pears"]
    assert news(seen(), seen()) == []


def test_parts_know_what_commands_have_shown():
    assert news(seen(), seen(apples=2, pears=3), shown=frozenset({"apples:2"})) == ["3 pears"]


def test_the_first_snapshot_is_no_news():
    assert news(Snapshot(), seen()) == []


def test_what_changed_while_the_service_was_away_is_announced():
    assert news(replace(seen(), problem=unavailable("cannot reach")), seen(apples=2)) == [
        "the service is back",
        "2 apples",
    ]


def test_a_lost_service_is_announced_once():
    gone = replace(seen(), problem=unavailable("cannot reach"))
    assert news(seen(), gone) == ["the service is unreachable, trying again"]
    assert news(gone, gone) == []
    assert news(gone, seen()) == ["the service is back"]


def test_a_refusal_is_explained():
    refused = Snapshot(problem=Problem(Code.DENIED, "cannot reach the service: permission denied", hint="ask for it"))
    assert news(Snapshot(), refused) == [
        "the service denies access",
        "  cannot reach the service: permission denied",
        "  ask for it",
    ]
