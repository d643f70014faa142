"""Thawing from the client."""

from __future__ import annotations

from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ThawEffects
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
