"""The list of freezes."""

from __future__ import annotations

from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ListFreezes

FROZEN = Freeze(
    id="5f3a0c11", scope=FreezeScope.SUBJECT, of="loop:3", reason="incident", by="ann", since=1_767_225_600_000_000
)


def test_it_lists_what_is_frozen_with_names(service, ctl):
    service.on(ListFreezes, lambda request: [] if request.ended else [FreezeRecord(freeze=FROZEN, name="web")])
    assert ctl("freezes")[:2] == (
        0,
        "frozen: loop web by ann since 2026-01-01 00:00:00Z: incident (5f3a0c11)\n",
    )
    assert ctl("freezes", "--ended")[:2] == (0, "no freeze has ended\n")


def test_without_a_freeze_it_reports_that(service, ctl):
    service.on(ListFreezes, lambda _request: [])
    assert ctl("freezes")[:2] == (0, "nothing is frozen\n")
    assert ctl("freezes", "--json")[:2] == (0, "[]\n")
