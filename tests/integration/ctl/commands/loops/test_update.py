"""Changing desired states."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest

from ftl2_enterprise.protocol.loops.nouns import LoopState, Mode, Revision
from ftl2_enterprise.protocol.loops.replies import LoopDetail
from ftl2_enterprise.protocol.loops.sent_files import SentFile
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, ShowLoop, UpdateLoop
from tests.support.data import builders

MANIFEST = "version: 1\nsteps:\n- copy: {src: motd, dest: /etc/motd}\n"


def revision(loop, n):
    return Revision(
        id=n, loop_id=loop.id, n=n, created_at=1, created_by=None, reason=None, restores=None, spec=loop.spec
    )


@pytest.fixture
def loop(service, tmp_path):
    """A loop whose manifest names one file."""
    motd = str(tmp_path / "motd")
    found = builders.loop("web", state=LoopState.RESTING)
    spec = msgspec.structs.replace(
        found.spec,
        desired_state=MANIFEST,
        source=str(tmp_path / "site.yaml"),
        mode=Mode.CONTINUOUS,
        files={motd: hashlib.sha256(b"old\n").hexdigest()},
    )
    (tmp_path / "site.yaml").write_text(MANIFEST)
    (tmp_path / "motd").write_text("new\n")
    found = msgspec.structs.replace(found, spec=spec, mode=Mode.CONTINUOUS, desired_state=MANIFEST)
    service.on(ShowLoop, LoopDetail(loop=found, process=None, open_prompts=[], last=None))
    service.on(GetRevisionFile, SentFile(path=motd, content="old\n"))
    return found


def test_a_preview_shows_the_difference_and_changes_nothing(service, ctl, loop, tmp_path):
    status, out, _ = ctl("update", "web", "--preview", "--interval", "5")
    motd = tmp_path / "motd"
    assert status == 0
    assert f"--- {motd} (revision 1)\n+++ {motd} (new)\n@@ -1 +1 @@\n-old\n+new\n" in out
    assert out.endswith(f"interval: {loop.spec.interval:g} → 5\n")
    assert not service.asked_for(UpdateLoop)


def test_what_is_not_given_stays(service, ctl, loop, tmp_path):
    after = msgspec.structs.replace(loop.spec, interval=5.0)
    now = msgspec.structs.replace(loop, revision=2, taken_revision=1, spec=after)
    service.on(UpdateLoop, now)
    service.on(GetRevision, lambda request: revision(loop if request.n == 1 else now, request.n))
    status, out, _ = ctl("update", "web", "--interval", "5", "--reason", "late")
    assert (status, out) == (
        0,
        f"interval: {loop.spec.interval:g} → 5\nweb: revision 2 (was 1), runs after the current step\n",
    )
    asked = service.asked_for(UpdateLoop)[0]
    assert (asked.based_on, asked.reason, asked.spec) == (1, "late", after)
    assert [(file.path, file.content) for file in asked.files] == [(str(tmp_path / "motd"), "new\n")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reason", "x" * 2001], "cannot take 2001 characters for --reason"),
        (["-f", "/nowhere.yaml"], "cannot read /nowhere.yaml: there is no such file"),
        (["--mode", "single", "--interval", "5"], "cannot use --interval: the loop runs once"),
    ],
)
@pytest.mark.usefixtures("loop")
def test_bad_input_is_refused(service, ctl, words, message):
    status, _, err = ctl("update", "web", *words)
    assert status != 0
    assert message in err
    assert not service.asked_for(UpdateLoop)


def test_the_difference_as_json(ctl, loop):
    status, out, _ = ctl("update", "web", "--preview", "--max-iterations", "3", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["settings"] == [{"name": "max_iterations", "before": loop.spec.max_iterations, "after": 3}]
