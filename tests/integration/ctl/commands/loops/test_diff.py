"""Comparing the revisions of desired states."""

from __future__ import annotations

import msgspec
import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode, Revision
from ftl2_enterprise.protocol.loops.replies import LoopDetail
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, ShowLoop
from tests.support.data import builders


def revision(n, **values):
    spec = msgspec.structs.replace(builders.loop("web").spec, **values)
    return Revision(id=n, loop_id=1, n=n, created_at=1, created_by=None, reason=None, restores=None, spec=spec)


def in_force(service, n, **values):
    loop = builders.loop("web", state=LoopState.RESTING, revision=n, taken_revision=n)
    loop = msgspec.structs.replace(loop, spec=msgspec.structs.replace(loop.spec, **values))
    service.on(ShowLoop, LoopDetail(loop=loop, process=None, open_prompts=[], last=None))
    return loop


@pytest.mark.parametrize(("interval", "status"), [(5.0, 1), (60.0, 0)])
def test_the_exit_status_of_diff_is_that_of_the_program_of_that_name(service, ctl, interval, status):
    in_force(service, 2, interval=interval)
    service.on(GetRevision, lambda request: revision(request.n, interval={1: 60.0, 2: interval}[request.n]))
    found, out, _ = ctl("diff", "web")
    assert found == status
    assert out == ("interval: 60 → 5\n" if status else "no difference\n")
    assert [one.n for one in service.asked_for(GetRevision)] == [1, 2]
    assert not service.asked_for(GetRevisionFile)


def test_limits_that_were_raised_since_the_revision_in_force_are_a_difference(service, ctl):
    in_force(service, 2, max_iterations=50)
    service.on(GetRevision, lambda request: revision(request.n))
    assert ctl("diff", "web")[:2] == (1, "max iterations: 10 → 50 (raised since that revision)\n")
    assert ctl("diff", "web", "2", "1")[:2] == (0, "no difference\n")


def test_every_setting_that_an_update_changes_is_a_difference(service, ctl):
    after = {
        "mode": Mode.SINGLE,
        "environment": "production",
        "secrets": ["user.password=PW"],
        "labels": {"tier": "a"},
    }
    in_force(service, 2, **after)
    service.on(GetRevision, lambda request: revision(request.n, **({} if request.n == 1 else after)))
    out = ctl("diff", "web")[1]
    assert out.splitlines() == [
        "mode: continuous → single",
        "environment: none → production",
        "secrets: none → user.password=PW",
        'labels: none → {"tier":"a"}',
    ]
