"""Listing the revisions of desired states."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.replies import RevisionLine, RevisionPage
from ftl2_enterprise.protocol.loops.verbs import ListRevisions


def test_the_list_has_who_when_why_and_what(service, ctl):
    line = RevisionLine(
        n=2, created_at=1, created_by="ann (uid 1000, pid 7)", reason="a\x1b[31m\nb", restores=1, changed=["max_cost"]
    )
    service.on(ListRevisions, RevisionPage(loop="web", in_force=2, revisions=[line], more=None))
    status, out, _ = ctl("revisions", "web")
    assert status == 0
    assert "ann" in out
    assert "as revision 1: max cost" in out
    assert "\x1b" not in out
