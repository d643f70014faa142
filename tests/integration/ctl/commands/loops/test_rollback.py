"""Restoring, listing and comparing the revisions of desired states."""

from __future__ import annotations

import msgspec
import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState, Revision
from ftl2_enterprise.protocol.loops.replies import LoopDetail
from ftl2_enterprise.protocol.loops.verbs import GetRevision, PreviewRollback, RollbackLoop, ShowLoop
from tests.support.data import builders


def revision(n, **values):
    spec = msgspec.structs.replace(builders.loop("web").spec, **values)
    return Revision(id=n, loop_id=1, n=n, created_at=1, created_by=None, reason=None, restores=None, spec=spec)


def in_force(service, n, **values):
    loop = builders.loop("web", state=LoopState.RESTING, revision=n, taken_revision=n)
    loop = msgspec.structs.replace(loop, spec=msgspec.structs.replace(loop.spec, **values))
    service.on(ShowLoop, LoopDetail(loop=loop, process=None, open_prompts=[], last=None))
    return loop


def test_the_previous_revision_is_the_default(service, ctl):
    in_force(service, 3, interval=5.0)
    service.on(RollbackLoop, builders.loop("web", state=LoopState.RESTING, revision=4, taken_revision=4))
    service.on(GetRevision, lambda request: revision(request.n, interval={3: 5.0, 4: 60.0}[request.n]))
    status, out, _ = ctl("rollback", "web")
    assert (status, out) == (0, "interval: 5 → 60\nweb: revision 4 (was 3), runs now\n")
    asked = service.asked_for(RollbackLoop)[0]
    assert (asked.to, asked.based_on) == (2, 3)


def test_limits_that_were_raised_since_and_are_lost_are_shown(service, ctl):
    in_force(service, 2, max_iterations=50)
    service.on(RollbackLoop, builders.loop("web", state=LoopState.RESTING, revision=3, taken_revision=3))
    service.on(GetRevision, lambda request: revision(request.n))
    assert ctl("rollback", "web", "1")[1] == "max iterations: 50 → 10\nweb: revision 3 (was 2), runs now\n"


@pytest.mark.parametrize(("words", "to"), [([], 2), (["1"], 1)])
def test_a_preview_shows_the_difference_and_changes_nothing(service, ctl, words, to):
    in_force(service, 3, interval=5.0)
    service.on(GetRevision, lambda request: revision(request.n, interval={1: 60.0, 2: 60.0, 3: 5.0}[request.n]))
    service.on(PreviewRollback, lambda request: revision(request.to, interval=60.0).spec)
    command = " ".join(["ftl2ctl rollback web", *words, "--reason late --based-on 3"])
    status, out, _ = ctl("rollback", "web", *words, "--preview", "--reason", "late")
    assert (status, out) == (
        0,
        f"interval: 5 → 60\nnothing was changed; based on revision 3\nroll it back: {command}\n",
    )
    asked = service.asked_for(PreviewRollback)[0]
    assert (asked.to, asked.based_on) == (to, 3)
    assert not service.asked_for(RollbackLoop)


@pytest.mark.parametrize(("words", "message"), [([], "it has one revision only"), (["0"], "cannot take 0")])
def test_what_cannot_be_restored_is_refused(service, ctl, words, message):
    in_force(service, 1)
    status, _, err = ctl("rollback", "web", *words)
    assert status != 0
    assert message in err
    assert not service.asked_for(RollbackLoop)
