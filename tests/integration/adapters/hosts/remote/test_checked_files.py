"""copy, template and file in check mode: they write nothing, and change afterwards what they reported."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.remote import diffs
from ftl2_enterprise.gate.effects import Fence
from tests.support.loops.permitted import call_of
from tests.support.processes.trees import tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ftl2_enterprise.loops.ports import ModuleResult


@pytest_asyncio.fixture
async def modules(tmp_path: Path) -> AsyncIterator[Ftl2Modules]:
    made = Ftl2Modules(None, work_dir=tmp_path / "work", redact=lambda text: text)
    yield made
    await made.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that other users can read, unlike those of pytest."""
    with TemporaryDirectory(dir="/tmp") as base:
        Path(base).chmod(0o755)
        yield filled(Path(base) / "host")


def filled(made: Path) -> Path:
    made.mkdir(mode=0o755)
    (made / "old").write_text("one\ntwo\n")
    (made / "old").chmod(0o644)
    (made / "link").symlink_to("old")
    (made / "source").write_text("from a file\n")
    (made / "source").chmod(0o755)
    (made / "binary").write_bytes(b"\0\1")
    (made / "private").write_text("keep this\n")
    (made / "private").chmod(0o600)
    (made / "including").write_text("{% include 'private' %}")
    (made / "closed").mkdir(mode=0o700)
    (made / "closed" / "open").write_text("in a private directory\n")
    (made / "tree" / "closed").mkdir(parents=True)
    (made / "tree" / "closed" / "name").touch()
    (made / "tree" / "closed").chmod(0o700)
    (made / "public" / "below").mkdir(parents=True)
    return made


async def check(modules: Ftl2Modules, module: str, params: dict[str, Any]) -> ModuleResult:
    return await modules.run(call_of(modules, module, params, fence=Fence.CHECK_MODE, compare=True))


CHANGES = [
    ("copy", {"content": "one\nTWO\n", "dest": "old"}),
    ("copy", {"content": "one\ntwo\n", "dest": "old"}),
    ("copy", {"content": "one\ntwo\n", "dest": "old", "mode": "0755"}),
    ("copy", {"content": "x", "dest": "old", "mode": "u=rw,g=,o="}),
    ("copy", {"content": "x", "dest": "old", "force": False}),
    ("copy", {"content": "x", "dest": "link"}),
    ("copy", {"content": "x", "dest": "link", "follow": False}),
    ("copy", {"content": "x", "dest": "new"}),
    ("copy", {"content": "x", "dest": "new", "mode": "0604"}),
    ("copy", {"src": "source", "dest": "old"}),
    ("copy", {"src": "source", "dest": "new"}),
    ("copy", {"src": "source", "dest": "new", "mode": "preserve"}),
    ("copy", {"src": "binary", "dest": "old"}),
    ("copy", {"content": "other", "dest": "private"}),
    ("template", {"content": "{{ 1 + 1 }}\n", "dest": "sub/new"}),
    ("template", {"content": "one\ntwo\n", "dest": "old"}),
]


@pytest.mark.parametrize(("module", "params"), CHANGES)
async def test_what_would_change_is_what_changes(
    modules: Ftl2Modules, folder: Path, module: str, params: dict[str, Any]
) -> None:
    params = {**params, **{key: str(folder / params[key]) for key in ("dest", "src") if key in params}}
    before = tree(folder)
    expected = await check(modules, module, params)
    assert tree(folder) == before
    real = await modules.run(call_of(modules, module, params))
    assert (expected.success, expected.changed) == (real.success, real.changed)
    if expected.changed:
        after = expected.output["diff"]["after"]
        path = folder / expected.output["dest"]
        size = None if after.get("hidden") == diffs.PRIVATE else path.stat().st_size
        assert (after["mode"], after["size"]) == (f"{stat.S_IMODE(path.lstat().st_mode):04o}", size)
        if "content" in after:
            assert after["content"] == path.read_text()


async def test_both_sides_are_given(modules: Ftl2Modules, folder: Path) -> None:
    dest = folder / "old"
    result = await check(modules, "copy", {"content": "three\n", "dest": str(dest), "owner": str(os.geteuid())})
    diff = result.output["diff"]
    assert (diff["path"], diff["same_content"]) == (str(dest), False)
    assert (diff["before"]["content"], diff["after"]["content"]) == ("one\ntwo\n", "three\n")


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"content": "x", "dest": "private"}, diffs.PRIVATE),
        ({"content": "x", "dest": "old", "mode": "0640"}, diffs.PRIVATE),
        ({"content": "x", "dest": "new", "mode": "0600"}, diffs.PRIVATE),
        ({"src": "binary", "dest": "old"}, "it is not text"),
        ({"content": "x" * (diffs.COMPARED + 1), "dest": "old"}, "it is too large"),
    ],
)
async def test_content_that_is_not_shown(
    modules: Ftl2Modules, folder: Path, params: dict[str, Any], why: str
) -> None:
    params = {**params, **{key: str(folder / params[key]) for key in ("dest", "src") if key in params}}
    result = await check(modules, "copy", params)
    diff = result.output["diff"]
    assert diff["after"]["hidden"] == why
    assert "content" not in diff["after"]
    assert (diff["after"]["size"] is None) == (why == diffs.PRIVATE)
    if why == diffs.PRIVATE and diff["before"]:
        assert "content" not in diff["before"]
        assert diff["before"]["size"] is None


@pytest.mark.parametrize(
    ("module", "params", "why"),
    [
        ("copy", {"src": "private", "dest": "new", "mode": "0644"}, diffs.PRIVATE_SOURCE),
        ("copy", {"src": "private", "dest": "old", "remote_src": True}, diffs.PRIVATE_SOURCE),
        ("copy", {"src": "closed/open", "dest": "new", "mode": "0644"}, diffs.PRIVATE_SOURCE),
        ("template", {"src": "private", "dest": "new", "mode": "0644"}, diffs.PRIVATE_SOURCE),
        ("template", {"src": "including", "dest": "new", "mode": "0644"}, diffs.PRIVATE_SOURCE),
        ("copy", {"content": "x", "dest": "closed/open"}, diffs.PRIVATE),
        ("copy", {"content": "x", "dest": "closed/new", "mode": "0644"}, diffs.PRIVATE),
    ],
)
async def test_content_that_other_users_cannot_read_is_not_shown(
    modules: Ftl2Modules, folder: Path, module: str, params: dict[str, Any], why: str
) -> None:
    params = {**params, **{key: str(folder / params[key]) for key in ("dest", "src") if key in params}}
    result = await check(modules, module, params)
    diff = result.output["diff"]
    for side in (diff["before"], diff["after"]):
        assert side is None or (side["hidden"], "content" in side) == (why, False)


@pytest.mark.parametrize(("path", "is_shown"), [("public", True), ("closed", False), ("tree", False)])
async def test_the_names_in_a_directory_that_would_be_removed(
    modules: Ftl2Modules, folder: Path, path: str, is_shown: bool
) -> None:
    result = await check(modules, "file", {"path": str(folder / path), "state": "absent"})
    content = result.output["diff"]["before"]["path_content"]
    assert content == (
        {"directories": [str(folder / path / "below")], "files": []} if is_shown else {"hidden": diffs.PRIVATE_TREE}
    )


async def test_a_missing_directory_is_a_note(modules: Ftl2Modules, folder: Path) -> None:
    result = await check(modules, "copy", {"content": "x", "dest": str(folder / "no" / "new")})
    assert result.success
    assert result.output["note"] == f"the directory {folder / 'no'} does not exist now"


async def test_a_model_that_observes_learns_that_the_directory_is_missing(modules: Ftl2Modules, folder: Path) -> None:
    params = {"content": "x", "dest": str(folder / "no" / "new")}
    result = await modules.run(call_of(modules, "copy", params, fence=Fence.CHECK_MODE))
    assert (result.success, "does not exist" in (result.error or "")) == (False, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
async def test_a_file_that_cannot_be_read_is_an_error(modules: Ftl2Modules, folder: Path) -> None:
    (folder / "private").chmod(0)
    result = await check(modules, "copy", {"content": "x", "dest": str(folder / "private")})
    assert "Permission denied" in (result.error or "")


async def test_an_unknown_owner_is_an_error(modules: Ftl2Modules, folder: Path) -> None:
    params = {"content": "x", "dest": str(folder / "old"), "owner": "no-such-user"}
    result = await check(modules, "copy", params)
    assert result.error == "cannot find the user no-such-user"


@pytest.mark.parametrize(
    ("params", "before", "after"),
    [
        ({"path": "dir", "state": "directory"}, "absent", "directory"),
        ({"path": "old", "state": "absent"}, "file", "absent"),
        ({"path": "to", "src": "old", "state": "link"}, "absent", "link"),
    ],
)
async def test_file_reports_what_would_change(
    modules: Ftl2Modules, folder: Path, params: dict[str, Any], before: str, after: str
) -> None:
    params = {**params, "path": str(folder / params["path"])}
    was = tree(folder)
    result = await check(modules, "file", params)
    assert tree(folder) == was
    sides = result.output["diff"]
    assert (sides["before"]["state"], sides["after"]["state"]) == (before, after)
