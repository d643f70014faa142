"""Thawing from the client."""

from __future__ import annotations

from ftl2_enterprise.core.freeze import UNUSABLE_POLICY, Freeze, FreezeScope
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ListFreezes, ThawEffects
from tests.support.data import builders

FROZEN = Freeze(id="5f3a0c11", scope=FreezeScope.ALL, reason="incident", by="ann", since=1_767_225_600_000_000)


def test_a_freeze_is_ended_by_its_id_or_by_what_it_covers(service, ctl):
    asked: list[ThawEffects] = []

    def thaw(request: ThawEffects) -> list[FreezeRecord]:
        asked.append(request)
        return [FreezeRecord(freeze=FROZEN, ended_at=builders.ago(0), ended_by="bob (uid 5, pid 6)")]

    service.on(ThawEffects, thaw)
    status, out, _ = ctl("thaw", "5f3a")
    assert status == 0
    assert out.startswith("thawed everything by bob ")
    ctl("thaw", "--host", "web1", "--gradually")
    assert [(one.id, one.scope, one.of, one.gradually) for one in asked] == [
        ("5f3a", FreezeScope.ALL, "", False),
        (None, FreezeScope.TARGET, "web1", True),
    ]


def test_what_is_not_clear_is_refused(service, ctl):
    for words, message in (
        ([], "cannot thaw without a selection"),
        (["5f3a", "--all"], "cannot take an id with another selection"),
    ):
        status, out, err = ctl("thaw", *words)
        assert (status, out) == (2, "")
        assert message in err


def test_what_stays_frozen_is_listed_with_what_ends_it(service, ctl):
    host = Freeze(id="77b2", scope=FreezeScope.TARGET, of="web1", reason="disk", by="bob", since=FROZEN.since)
    policy = Freeze(id=UNUSABLE_POLICY, scope=FreezeScope.ALL, reason="a mistake", by="ftl2-enterprise", since=0)
    ended = FreezeRecord(freeze=FROZEN, ended_at=builders.ago(0), ended_by="bob")
    service.on(ThawEffects, [ended])
    service.on(ListFreezes, [FreezeRecord(freeze=host), FreezeRecord(freeze=policy)])
    status, out, _ = ctl("thaw", "--all")
    assert status == 0
    assert out.splitlines()[1:] == [
        "still in force:",
        "frozen: calls on web1 by bob since 2026-01-01 00:00:00Z: disk (77b2)",
        "frozen: everything by ftl2-enterprise: a mistake (unusable-policy)",
        "`thaw ID` ends one of them, such as `thaw 77b2`",
        "unusable-policy ends when the site policy is repaired; `health` reports why",
    ]
    service.on(ListFreezes, [])
    assert "still in force" not in ctl("thaw", "--all")[1]
