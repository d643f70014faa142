"""What is checked of a changed desired state before it is in force, and which of the stored files it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ftl2_enterprise.core.children import Table
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.handlers import revisions as revision_handlers
from ftl2_enterprise.protocol.loops.nouns import LoopRemediation, LoopSpec
from ftl2_enterprise.protocol.loops.sent_files import SentFile
from ftl2_enterprise.protocol.loops.verbs import (
    GetRevision,
    PreviewRollback,
    PreviewUpdate,
    RollbackLoop,
    SubmitLoop,
    UpdateLoop,
)
from ftl2_enterprise.wiring.loops import gather
from ftl2_enterprise.wiring.settings import MODEL
from tests.store.loops.handlers.test_loops import do
from tests.support.data.new_database import new_database
from tests.support.service.reading import reader_here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl2_enterprise.core.settings.model import Settings
    from ftl2_enterprise.protocol.loops.nouns import Loop
    from ftl2_enterprise.store.database import Store

MANIFEST = "version: 1\nname: m\nsteps:\n  - name: s\n    copy: {dest: /etc/motd, src: motd}\n"


class Bench:
    """A database with the loop `web`, whose manifest names a file that only its user could read."""

    def __init__(self, store: Store, settings: Settings, motd: str) -> None:
        self.store = store
        self.motd = motd
        reader = reader_here(settings)
        self.prepares = gather.prepares(reader)
        self.gathers = gather.gathers(reader)

    async def do(self, request: Any) -> Loop:
        return do(self.store, await self.prepares[type(request)](request))

    async def preview(self, request: UpdateLoop) -> LoopSpec:
        fields = {name: getattr(request, name) for name in PreviewUpdate.__struct_fields__}
        preview = PreviewUpdate(**fields)
        found = await self.gathers[PreviewUpdate](preview)
        with self.store.read() as tx:
            return revision_handlers.preview_update(tx, preview, Table(), found)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    loaded = MODEL.load(config=None, environ={"HOME": str(tmp_path)}, etc=tmp_path).settings
    return msgspec.structs.replace(loaded, store=msgspec.structs.replace(loaded.store, path=str(tmp_path / "db")))


@pytest.fixture
def bench(tmp_path: Path, settings: Settings) -> Iterator[Bench]:
    store = new_database(tmp_path / "db")
    yield Bench(store, settings, str(tmp_path / "motd"))
    store.close()


async def submitted(bench: Bench, text: str = MANIFEST, **values: Any) -> Loop:
    spec = LoopSpec(name="web", desired_state=text, source=bench.motd.replace("motd", "site.yaml"), **values)
    return await bench.do(SubmitLoop(spec=spec, files=[SentFile(path=bench.motd, content="one")]))


def change(loop: Loop, **values: Any) -> UpdateLoop:
    return UpdateLoop(loop="web", spec=msgspec.structs.replace(loop.spec, **values), based_on=loop.revision)


def with_files(request: UpdateLoop, **values: Any) -> UpdateLoop:
    return msgspec.structs.replace(request, **values)


async def test_stored_files_are_used_without_being_read_again(bench: Bench) -> None:
    loop = await submitted(bench)
    request = with_files(change(loop, interval=5.0), keeps=[bench.motd])
    assert (await bench.preview(request)).files == loop.spec.files
    now = await bench.do(request)
    assert (now.revision, now.spec.files) == (2, loop.spec.files)


async def test_a_file_that_is_sent_replaces_the_stored_one(bench: Bench) -> None:
    loop = await submitted(bench)
    request = with_files(change(loop), keeps=[bench.motd], files=[SentFile(path=bench.motd, content="two")])
    assert (await bench.do(request)).spec.files != loop.spec.files


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"desired_state": MANIFEST.replace("copy:", "cpoy:")}, "cannot"),
        ({"policy": "/nowhere/policy.yaml"}, "cannot find the policy"),
        ({"inventory": "/nowhere/hosts"}, "cannot"),
    ],
)
async def test_a_preview_is_refused_as_the_update_is(bench: Bench, values: dict[str, Any], words: str) -> None:
    loop = await submitted(bench)
    request = with_files(change(loop, **values), keeps=[bench.motd])
    with pytest.raises(Problem, match=words) as previewed:
        await bench.preview(request)
    with pytest.raises(Problem) as updated:
        await bench.do(request)
    assert str(previewed.value) == str(updated.value)


async def test_a_preview_of_what_is_based_on_an_earlier_revision_is_refused(bench: Bench) -> None:
    loop = await submitted(bench)
    await bench.do(with_files(change(loop, interval=5.0), keeps=[bench.motd]))
    with pytest.raises(Problem, match="cannot update web: revision 2 by eva is newer than 1"):
        await bench.preview(with_files(change(loop, interval=6.0), keeps=[bench.motd]))


async def test_a_rollback_to_what_is_not_valid_any_more_is_refused(bench: Bench, tmp_path: Path) -> None:
    loop = await submitted(bench)
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: []\n")
    loop = await bench.do(with_files(change(loop, policy=str(policy)), keeps=[bench.motd]))
    loop = await bench.do(with_files(change(loop, policy=None), keeps=[bench.motd]))
    policy.unlink()
    with pytest.raises(Problem, match="cannot find the policy"):
        await bench.do(RollbackLoop(loop="web", to=2, based_on=3))
    with pytest.raises(Problem, match="cannot find the policy"):
        await bench.gathers[PreviewRollback](PreviewRollback(loop="web", to=2, based_on=3))
    request = PreviewRollback(loop="web", to=1, based_on=3)
    found = await bench.gathers[PreviewRollback](request)
    with bench.store.read() as tx:
        previewed = revision_handlers.preview_rollback(tx, request, Table(), found)
    assert previewed == (await bench.do(RollbackLoop(loop="web", to=1, based_on=3))).spec


async def test_a_secret_in_a_reason_is_not_stored(bench: Bench) -> None:
    loop = await submitted(bench)
    request = with_files(change(loop, interval=5.0), keeps=[bench.motd], reason="password=hunter2hunter2")
    await bench.do(request)
    await bench.do(RollbackLoop(loop="web", to=1, based_on=2, reason="password=hunter2hunter2"))
    with bench.store.read() as tx:
        found = [revision_handlers.get_revision(tx, GetRevision(loop="web", n=n), Table()).reason for n in (2, 3)]
    assert all(reason is not None and "hunter2" not in reason for reason in found)


LABELLED = MANIFEST.replace("steps:", "labels: {tier: a, site: x}\nremediation: never\nsteps:")


async def test_labels_and_remediation_of_the_manifest_follow_it(bench: Bench) -> None:
    loop = await submitted(bench, text=LABELLED, labels={"given": "yes"})
    assert (loop.spec.labels, loop.spec.remediation) == (
        {"tier": "a", "site": "x", "given": "yes"},
        LoopRemediation.NEVER,
    )
    text = MANIFEST.replace("steps:", "labels: {tier: b}\nsteps:")
    loop = await bench.do(with_files(change(loop, desired_state=text), keeps=[bench.motd]))
    assert (loop.spec.labels, loop.spec.remediation) == ({"tier": "b", "given": "yes"}, LoopRemediation.AUTO)


async def test_a_stricter_remediation_that_was_given_stays(bench: Bench) -> None:
    text = LABELLED.replace("never", "ask")
    loop = await submitted(bench, text=text, remediation=LoopRemediation.NEVER, labels={"tier": "given"})
    text = text.replace("ask", "auto").replace("tier: a", "tier: b")
    loop = await bench.do(with_files(change(loop, desired_state=text), keeps=[bench.motd]))
    assert (loop.spec.labels["tier"], loop.spec.remediation) == ("given", LoopRemediation.NEVER)


async def test_a_decider_that_was_chosen_by_the_text_is_chosen_again(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "one.py").write_text("applies_to = 'everything'\nasync def condition(s): ...\n")
    loop = await submitted(bench, rules_dir=str(tmp_path / "rules"))
    assert (loop.spec.decider, loop.spec.observers) == ("manifest", [])
    loop = await bench.do(change(loop, desired_state="nginx answers", source=None))
    assert (loop.spec.decider, bool(loop.spec.observers)) == ("rules", True)
