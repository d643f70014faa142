"""Deleting a loop."""

from __future__ import annotations

from ftl2_enterprise.protocol.loops.replies import (
    Deleted,
)
from ftl2_enterprise.protocol.loops.verbs import (
    DeleteLoop,
)


def test_deletion_needs_confirmation(service, ctl):
    service.on(DeleteLoop, Deleted(id=1, name="web"))
    status, _, err = ctl("delete", "web", stdin="y\n")
    assert status == 2
    assert "without confirmation: there is no terminal to ask on" in err
    assert not service.asked_for(DeleteLoop)
    assert ctl("delete", "web", "--yes") == (0, "web: deleted with its history\n", "")
