"""Changing desired states."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest

from ftl2_enterprise.core.freeze import Freeze, FreezeScope
from ftl2_enterprise.core.problem import conflict
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation, LoopState, Mode, Outcome, Revision
from ftl2_enterprise.protocol.loops.replies import LoopDetail, Queued
from ftl2_enterprise.protocol.loops.sent_files import SentFile
from ftl2_enterprise.protocol.loops.verbs import GetRevision, GetRevisionFile, PreviewUpdate, ShowLoop, UpdateLoop
from ftl2_enterprise.protocol.service.verbs import FreezeRecord, ListFreezes
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
    service.on(GetRevision, lambda request: revision(found, request.n))
    service.on(GetRevisionFile, SentFile(path=motd, content="old\n"))
    return found


def prepared(request):
    """The specification as the service completes it: with the digests of the files that it has."""
    digests = {file.path: hashlib.sha256(file.content.encode()).hexdigest() for file in request.files}
    return msgspec.structs.replace(request.spec, files={**request.spec.files, **digests})


def test_a_preview_shows_the_difference_and_changes_nothing(service, ctl, loop, tmp_path):
    service.on(PreviewUpdate, prepared)
    manifest = tmp_path / "site.yaml"
    status, out, _ = ctl(
        "update", "web", "--preview", "--interval", "5", "-f", str(manifest), "--reason", "it's late"
    )
    motd = tmp_path / "motd"
    assert status == 0
    assert f"--- {motd} (revision 1)\n+++ {motd} (new)\n@@ -1 +1 @@\n-old\n+new\n" in out
    command = f"ftl2ctl update web --file {manifest} --reason 'it'\"'\"'s late' --interval 5 --based-on 1"
    end = f"interval: {loop.spec.interval:g} → 5\nnothing was changed; based on revision 1\nupdate it: {command}\n"
    assert out.endswith(end)
    assert not service.asked_for(UpdateLoop)


def test_without_a_manifest_the_stored_files_stay_and_nothing_is_read(service, ctl, loop, tmp_path):
    """The manifest may be of another user: what it names must not be read with the rights of this one."""
    after = msgspec.structs.replace(loop.spec, interval=5.0)
    now = msgspec.structs.replace(loop, revision=2, taken_revision=1, spec=after)
    service.on(UpdateLoop, now)
    status, out, _ = ctl("update", "web", "--interval", "5", "--reason", "late")
    assert (status, out) == (
        0,
        f"interval: {loop.spec.interval:g} → 5\nweb: revision 2 (was 1), runs after the current step\n",
    )
    asked = service.asked_for(UpdateLoop)[0]
    assert (asked.based_on, asked.reason, asked.spec) == (1, "late", after)
    assert (asked.files, asked.keeps) == ([], [str(tmp_path / "motd")])


def test_what_is_given_is_read_and_the_other_files_stay(service, ctl, loop, tmp_path):
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yaml").write_text("port: 80\n")
    (tmp_path / "policy.yaml").write_text("rules: []\n")
    for name in ("hosts", "policy.yaml"):
        (tmp_path / name).touch()
    at = {name: str(tmp_path / name) for name in ("hosts", "group_vars/all.yaml", "policy.yaml", "motd")}
    spec = msgspec.structs.replace(
        loop.spec, inventory=at["hosts"], policy=at["policy.yaml"], files=dict.fromkeys(at.values(), "1")
    )
    found = msgspec.structs.replace(loop, spec=spec)
    service.on(ShowLoop, LoopDetail(loop=found, process=None, open_prompts=[], last=None))
    service.on(PreviewUpdate, spec)
    for words, sent in (
        (["-f", str(tmp_path / "site.yaml")], {"motd"}),
        (["-i", at["hosts"]], {"hosts", "group_vars/all.yaml"}),
        (["--policy", at["policy.yaml"]], {"policy.yaml"}),
    ):
        assert ctl("update", "web", "--preview", *words)[0] == 0
        asked = service.asked_for(PreviewUpdate)[-1]
        assert {file.path for file in asked.files} == {at[name] for name in sent}
        assert set(asked.keeps) == {path for name, path in at.items() if name not in sent}


def test_an_update_during_a_freeze_names_it(service, ctl, loop):
    record = FreezeRecord(freeze=Freeze(id="5f3a", scope=FreezeScope.ALL, reason="an outage", by="eva", since=0))
    service.on(ListFreezes, [record])
    service.on(UpdateLoop, msgspec.structs.replace(loop, revision=2, taken_revision=2))
    assert ctl("update", "web", "--interval", "5")[1].splitlines()[-2:] == [
        "web: revision 2 (was 1), is frozen; runs as far as the freeze permits",
        "frozen: everything by eva: an outage (5f3a)",
    ]


def test_an_update_that_changes_nothing_succeeds(service, ctl, loop):
    service.on(UpdateLoop, loop)
    assert ctl("update", "web", "--interval", "60") == (0, "web: unchanged, revision 1 stays in force\n", "")


def test_a_remediation_that_has_no_effect_is_explained(service, ctl, loop):
    never = msgspec.structs.replace(loop, spec=msgspec.structs.replace(loop.spec, remediation=LoopRemediation.NEVER))
    service.on(ShowLoop, LoopDetail(loop=never, process=None, open_prompts=[], last=None))
    service.on(GetRevision, lambda request: revision(never, request.n))
    service.on(PreviewUpdate, never.spec)
    service.on(UpdateLoop, never)
    note = "remediation is never and not auto, because the stricter one of the option and of the manifest applies"
    assert ctl("update", "web", "--remediation", "auto", "--preview")[1] == f"no difference\n{note}\n"
    assert ctl("update", "web", "--remediation", "auto")[1].splitlines()[1:] == [note]


@pytest.mark.usefixtures("loop")
def test_an_update_can_name_the_revision_that_it_is_based_on(service, ctl):
    def refuse(_):
        raise conflict("cannot update web: revision 5 by bob is newer than 4", "see it")

    service.on(UpdateLoop, refuse)
    status, _, err = ctl("update", "web", "--interval", "5", "--based-on", "4")
    assert status != 0
    assert "cannot update web: revision 5 by bob is newer than 4" in err
    assert service.asked_for(UpdateLoop)[0].based_on == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reason", "x" * 2001], "cannot take 2001 characters for --reason"),
        (["-f", "/nowhere.yaml"], "cannot read /nowhere.yaml: there is no such file"),
        (["--mode", "single", "--interval", "5"], "cannot use --interval: the loop runs once"),
        (
            ["--mode", "single", "--max-iterations", "1", "--max-ask-delay", "2"],
            "cannot use --max-ask-delay: the loop has one iteration, so none is left after an answer",
        ),
        (["--label", "a=b", "--unset", "label"], "cannot give --label together with --unset label"),
        (["--unset", "name"], "name"),
    ],
)
@pytest.mark.usefixtures("loop")
def test_bad_input_is_refused(service, ctl, words, message):
    status, _, err = ctl("update", "web", *words)
    assert status != 0
    assert message in err
    assert not service.asked_for(UpdateLoop)


def test_the_difference_as_json(service, ctl, loop):
    service.on(PreviewUpdate, prepared)
    status, out, _ = ctl("update", "web", "--preview", "--max-iterations", "3", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["based_on"] == 1
    assert found["command"] == "ftl2ctl update web --max-iterations 3 --based-on 1"
    assert found["settings"] == [{"name": "max_iterations", "before": loop.spec.max_iterations, "after": 3}]


def test_limits_that_were_raised_since_the_revision_are_shown(service, ctl, loop):
    """They are kept by an update, and become part of the new revision."""
    current = msgspec.structs.replace(loop, spec=msgspec.structs.replace(loop.spec, max_iterations=50))
    service.on(ShowLoop, LoopDetail(loop=current, process=None, open_prompts=[], last=None))
    service.on(PreviewUpdate, prepared)
    shown = "interval: 60 → 5\nmax iterations: 10 → 50 (raised since that revision)\n"
    assert shown in ctl("update", "web", "--preview", "--interval", "5")[1]
    service.on(
        UpdateLoop, lambda request: msgspec.structs.replace(current, revision=2, taken_revision=2, spec=request.spec)
    )
    assert ctl("update", "web", "--interval", "5")[1] == f"{shown}web: revision 2 (was 1), runs now\n"


def test_the_last_line_has_what_really_happens_next(service, ctl, loop):
    now = msgspec.structs.replace(loop, revision=2, taken_revision=2)
    service.on(UpdateLoop, now)
    queued = Queued(place=3, taken=1, places=1)
    detail = LoopDetail(loop=loop, process=None, open_prompts=[], last=None)
    for found, line in (
        (msgspec.structs.replace(detail, draining=True), "runs after the next start of the service"),
        (msgspec.structs.replace(detail, queued=queued), "runs when a place is free"),
    ):
        service.on(ShowLoop, found)
        assert ctl("update", "web", "--interval", "5")[1].splitlines()[-1] == f"web: revision 2 (was 1), {line}"


def test_the_reason_of_a_failure_is_shown_before_it_is_dropped(service, ctl, loop):
    failed = msgspec.structs.replace(loop, state=LoopState.FAILED, outcome=Outcome.FAILED, reason="no such host")
    service.on(ShowLoop, LoopDetail(loop=failed, process=None, open_prompts=[], last=None))
    service.on(UpdateLoop, msgspec.structs.replace(loop, state=LoopState.PENDING, revision=2, taken_revision=2))
    out = ctl("update", "web", "--interval", "5")[1]
    assert out.endswith("web: revision 2 (was 1), runs now\n  before: failed: no such host\n")


def test_settings_can_be_removed_with_the_files_that_belong_to_them(service, ctl, loop, tmp_path):
    policy, hosts = str(tmp_path / "policy.yaml"), str(tmp_path / "hosts")
    spec = msgspec.structs.replace(
        loop.spec,
        policy=policy,
        inventory=hosts,
        labels={"tier": "a"},
        files={**loop.spec.files, policy: "1", hosts: "2"},
    )
    found = msgspec.structs.replace(loop, spec=spec)
    service.on(ShowLoop, LoopDetail(loop=found, process=None, open_prompts=[], last=None))
    service.on(PreviewUpdate, spec)
    assert ctl("update", "web", "--preview", "--unset", "policy", "--unset", "label")[0] == 0
    asked = service.asked_for(PreviewUpdate)[0]
    assert (asked.spec.policy, asked.spec.labels, asked.spec.inventory) == (None, {}, hosts)
    assert (asked.files, asked.keeps) == ([], [hosts, str(tmp_path / "motd")])
