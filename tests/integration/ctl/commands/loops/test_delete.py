"""Deleting a loop."""

from __future__ import annotations

from types import SimpleNamespace

from ftl2_enterprise.ctl import prompter
from ftl2_enterprise.protocol.loops.nouns import LoopState, Outcome
from ftl2_enterprise.protocol.loops.replies import Deleted, LoopDetail
from ftl2_enterprise.protocol.loops.verbs import DeleteLoop, ShowLoop
from tests.support.data import builders


def test_deletion_needs_confirmation(service, ctl, monkeypatch):
    service.on(DeleteLoop, Deleted(id=1, name="web"))
    status, _, err = ctl("delete", "web", stdin="y\n")
    assert status == 2
    assert "without confirmation: there is no terminal to ask on" in err
    assert not service.asked_for(DeleteLoop)
    ended = builders.loop("web", state=LoopState.CANCELLED, outcome=Outcome.CANCELLED)
    service.on(ShowLoop, LoopDetail(loop=ended, process=None, open_prompts=[], last=None))
    for answer, status in ((False, 1), (True, 0)):
        monkeypatch.setattr(prompter, "here", lambda _, answer=answer: SimpleNamespace(confirms=lambda _: answer))
        assert ctl("delete", "web")[0] == status
        assert len(service.asked_for(DeleteLoop)) == int(answer)
    assert ctl("delete", "web", "--yes") == (0, "web: deleted with its history\n", "")
