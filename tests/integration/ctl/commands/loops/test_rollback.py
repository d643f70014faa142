"""Restoring, listing and comparing the revisions of desired states."""

from __future__ import annotations

import msgspec
import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState, Revision
from ftl2_enterprise.protocol.loops.replies import LoopDetail
from ftl2_enterprise.protocol.loops.verbs import GetRevision, RollbackLoop, ShowLoop
from tests.support.data import builders


def revision(n, **values):
    spec = msgspec.structs.replace(builders.loop("web").spec, **values)
    return Revision(id=n, loop_id=1, n=n, created_at=1, created_by=None, reason=None, restores=None, spec=spec)


def in_force(service, n):
    loop = builders.loop("web", state=LoopState.RESTING, revision=n, taken_revision=n)
    service.on(ShowLoop, LoopDetail(loop=loop, process=None, open_prompts=[], last=None))
    return loop


def test_the_previous_revision_is_the_default(service, ctl):
    loop = in_force(service, 3)
    service.on(RollbackLoop, msgspec.structs.replace(loop, revision=4, taken_revision=4))
    service.on(GetRevision, lambda request: revision(request.n, interval={3: 5.0, 4: 60.0}[request.n]))
    status, out, _ = ctl("rollback", "web")
    assert (status, out) == (0, "interval: 5 → 60\nweb: revision 4 (was 3), runs now\n")
    asked = service.asked_for(RollbackLoop)[0]
    assert (asked.to, asked.based_on) == (2, 3)


@pytest.mark.parametrize(("words", "message"), [([], "it has one revision only"), (["0"], "cannot take 0")])
def test_what_cannot_be_restored_is_refused(service, ctl, words, message):
    in_force(service, 1)
    status, _, err = ctl("rollback", "web", *words)
    assert status != 0
    assert message in err
    assert not service.asked_for(RollbackLoop)
