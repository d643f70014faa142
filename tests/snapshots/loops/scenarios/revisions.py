"""Scenarios of the revisions of desired states."""

from __future__ import annotations

import msgspec

from ftl2_enterprise.protocol.loops.nouns import Desired, LoopState, Outcome
from ftl2_enterprise.protocol.loops.replies import RevisionLine, RevisionPage
from ftl2_enterprise.protocol.loops.verbs import ListRevisions
from ftl2_enterprise.render.loops import revisions
from tests.snapshots.scenario import Scenario
from tests.support.data import awkward, builders
from tests.support.data.builders import ago

PAGE = RevisionPage(
    loop="web",
    in_force=3,
    revisions=[
        RevisionLine(
            n=3, created_at=ago(60), created_by="ann", reason=awkward.CONTROL, restores=1,
            changed=["max_cost", "interval", "/srv/a\nb", "/srv/motd", "mode"],
        ),
        RevisionLine(
            n=2, created_at=ago(7200), created_by=awkward.WIDE, reason=None, restores=None,
            changed=["desired_state", "/srv/motd"],
        ),
        RevisionLine(n=1, created_at=ago(90_000), created_by=None, reason=None, restores=None, changed=[]),
    ],
    more=None,
)  # fmt: skip
DIFF = "--- /srv/motd (1)\n+++ /srv/motd (2)\n@@ -1 +1 @@\n-a\n+\x1b[31mb"
CHANGES = revisions.Difference(
    texts=[
        revisions.FileChange(path="/srv/motd", diff=DIFF),
        revisions.FileChange(path="/srv/large", diff=""),
    ],
    settings=[revisions.SettingChange(name="max_cost", before=None, after=0.5)],
    raised=[revisions.SettingChange(name="max_iterations", before=10, after=50)],
)
PREVIEW = revisions.ChangePreview(
    based_on=2, command="ftl2ctl update web --max-cost 0.5 --based-on 2", texts=[], settings=CHANGES.settings
)
FORGED = revisions.difference(
    builders.loop("web").spec,
    msgspec.structs.replace(builders.loop("web").spec, files={'/srv/a\n+++ "b\x1b[1m': "1"}),
    ("revision 1", "new"),
    str,
    lambda _: "one\r\ntwo\r--- three\x1b[31m four\x0c--- five\u2028six\u202e\tseven\n",
)
PAUSED = builders.loop("web", state=LoopState.PAUSED, desired=Desired.PAUSE, revision=2, taken_revision=2)
RUNNING = builders.loop("web", revision=2, taken_revision=1)
RESTING = builders.loop("web", state=LoopState.RESTING, next_run_at=ago(0), revision=2, taken_revision=2)
PAUSING = msgspec.structs.replace(RUNNING, desired=Desired.PAUSE)
STOPPING = msgspec.structs.replace(RUNNING, desired=Desired.STOP)
FROZEN = msgspec.structs.replace(RESTING, frozen_by="1")
FAILED = builders.loop("web", state=LoopState.FAILED, outcome=Outcome.FAILED, reason=awkward.CONTROL)
IN_FORCE = (PAUSED, PAUSING, STOPPING, RUNNING, FROZEN, RESTING)
REVISIONS_VIEW = [
    Scenario("list", lambda r: revisions.revisions_view(r, loop="web"), {ListRevisions: PAGE}, has_json=True),
    Scenario("a difference", lambda _: revisions.difference_lines(CHANGES), has_colour=True),
    Scenario("no difference", lambda _: revisions.difference_lines(revisions.Difference(texts=[], settings=[]))),
    Scenario("lines that a file must not forge", lambda _: revisions.difference_lines(FORGED)),
    Scenario("a preview", lambda _: revisions.preview_lines(PREVIEW, label="update it")),
    Scenario("nothing would change", lambda _: [revisions.unchanged_line(builders.loop(revision=3))]),
    Scenario(
        "a step that is no longer left out",
        lambda _: revisions.left_out_lines(builders.loop(left_out=["nginx", "page"]), builders.loop()),
    ),
    Scenario("why it had failed", lambda _: revisions.earlier_lines(FAILED)),
    Scenario("in force", lambda _: [revisions.changed_line(one, 1) for one in IN_FORCE]),
]
