"""Comparing the revisions of desired states."""

from __future__ import annotations

import msgspec
import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState, Revision
from ftl2_enterprise.protocol.loops.replies import LoopDetail
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, ShowLoop
from tests.support.data import builders


def revision(n, **values):
    spec = msgspec.structs.replace(builders.loop("web").spec, **values)
    return Revision(id=n, loop_id=1, n=n, created_at=1, created_by=None, reason=None, restores=None, spec=spec)


def in_force(service, n):
    loop = builders.loop("web", state=LoopState.RESTING, revision=n, taken_revision=n)
    service.on(ShowLoop, LoopDetail(loop=loop, process=None, open_prompts=[], last=None))
    return loop


@pytest.mark.parametrize(("interval", "status"), [(5.0, 1), (60.0, 0)])
def test_the_exit_status_of_diff_is_that_of_the_program_of_that_name(service, ctl, interval, status):
    in_force(service, 2)
    service.on(GetRevision, lambda request: revision(request.n, interval={1: 60.0, 2: interval}[request.n]))
    found, out, _ = ctl("diff", "web")
    assert found == status
    assert out == ("interval: 60 → 5\n" if status else "no difference\n")
    assert [one.n for one in service.asked_for(GetRevision)] == [1, 2]
    assert not service.asked_for(GetRevisionFile)
