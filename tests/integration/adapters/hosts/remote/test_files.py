"""copy, template and file: idempotent, atomic, and truthful about what changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from tests.support.loops.permitted import call_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl2_enterprise.loops.ports import ModuleResult


@pytest_asyncio.fixture
async def modules(tmp_path: Path) -> AsyncIterator[Ftl2Modules]:
    made = Ftl2Modules(None, work_dir=tmp_path / "work", redact=lambda text: text)
    yield made
    await made.close()


async def run(modules: Ftl2Modules, module: str, **params: Any) -> ModuleResult:
    return await modules.run(call_of(modules, module, params))


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


async def test_content_is_copied_once(modules: Ftl2Modules, tmp_path: Path) -> None:
    dest = tmp_path / "f"
    first = await run(modules, "copy", content="häh\n", dest=str(dest), mode="0640")
    second = await run(modules, "copy", content="häh\n", dest=str(dest), mode="0640")
    third = await run(modules, "copy", content="other\n", dest=str(dest))
    assert [r.changed for r in (first, second, third)] == [True, False, True]
    assert (dest.read_text(), mode(dest)) == ("other\n", "0640")
    assert first.output["size"] == len("häh\n".encode())


async def test_a_different_mode_alone_is_a_change(modules: Ftl2Modules, tmp_path: Path) -> None:
    dest = tmp_path / "f"
    await run(modules, "copy", content="x", dest=str(dest), mode="0640")
    result = await run(modules, "copy", content="x", dest=str(dest), mode="u=rw,g=,o=")
    assert (result.changed, mode(dest)) == (True, "0600")


@pytest.mark.parametrize("written", ["0750", 0o750, "750", "u=rwx,g=rx,o="])
async def test_modes_are_accepted_in_common_notations(modules: Ftl2Modules, tmp_path: Path, written: object) -> None:
    await run(modules, "copy", content="x", dest=str(tmp_path / "f"), mode=written)
    assert mode(tmp_path / "f") == "0750"
    result = await run(modules, "file", path=str(tmp_path / "d"), state="directory", mode=written)
    assert result.success, result.error
    assert mode(tmp_path / "d") == "0750"


async def test_a_mode_that_lost_its_quotes_is_refused(modules: Ftl2Modules, tmp_path: Path) -> None:
    for module, params in (("copy", {"content": "x", "dest": "f"}), ("file", {"path": "d", "state": "directory"})):
        result = await run(modules, module, mode=644, **params)
        assert result.error == 'cannot use the mode 644: write it in quotes, as "0644"'


async def test_readers_never_see_half_a_file(modules: Ftl2Modules, tmp_path: Path) -> None:
    dest = tmp_path / "f"
    dest.write_text("old")
    with dest.open() as held:
        await run(modules, "copy", content="new", dest=str(dest))
        assert held.read() == "old"  # another inode: the old one was never written to
    assert dest.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".f")] == []


async def test_a_link_is_followed_and_stays(modules: Ftl2Modules, tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    await run(modules, "copy", content="new", dest=str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


async def test_a_file_is_copied_with_its_mode_and_into_a_directory(modules: Ftl2Modules, tmp_path: Path) -> None:
    source = tmp_path / "tool"
    source.write_bytes(bytes(range(256)))
    source.chmod(0o755)
    (tmp_path / "bin").mkdir()
    result = await run(modules, "copy", src=str(source), dest=str(tmp_path / "bin"))
    assert result.changed
    assert (tmp_path / "bin" / "tool").read_bytes() == bytes(range(256))
    assert mode(tmp_path / "bin" / "tool") == "0755"


async def test_backup_and_force(modules: Ftl2Modules, tmp_path: Path) -> None:
    dest = tmp_path / "f"
    dest.write_text("old")
    kept = await run(modules, "copy", content="new", dest=str(dest), force=False)
    assert (kept.changed, dest.read_text()) == (False, "old")
    result = await run(modules, "copy", content="new", dest=str(dest), backup=True)
    assert Path(result.output["backup_file"]).read_text() == "old"


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"dest": "/tmp/x"}, "either src or content"),
        ({"content": "x", "src": "y", "dest": "/tmp/x"}, "either src or content"),
        ({"content": "x"}, "dest is missing"),
        ({"src": "/no/such", "dest": "/tmp/x"}, "/no/such"),
        ({"src": "/etc", "dest": "/tmp/x"}, "directory"),
        ({"content": "x", "dest": "/no/such/dir/f"}, "/no/such/dir does not exist"),
        ({"content": "x", "dest": "/tmp/"}, "directory"),
        ({"content": "x", "dest": "/dev/null"}, "not a regular file"),
        ({"content": "x", "dest": "/tmp/x", "owner": "nobody-here"}, "cannot find the user"),
    ],
)
async def test_copy_reports_why_it_fails(modules: Ftl2Modules, params: dict[str, Any], reason: str) -> None:
    result = await run(modules, "copy", **params)
    assert not result.success
    assert (result.error or "").startswith("cannot ")
    assert reason in (result.error or "")


async def test_structured_content_is_json(modules: Ftl2Modules, tmp_path: Path) -> None:
    await run(modules, "copy", content={"a": [1]}, dest=str(tmp_path / "f"))
    assert (tmp_path / "f").read_text() == '{"a": [1]}'


async def test_five_megabytes_are_copied(modules: Ftl2Modules, tmp_path: Path) -> None:
    content = os.urandom(2_500_000).hex()
    result = await run(modules, "copy", content=content, dest=str(tmp_path / "f"))
    assert result.changed
    assert (tmp_path / "f").read_text() == content


# --- templates -----------------------------------------------------------------------------------------------------


async def test_a_template_is_rendered_once(modules: Ftl2Modules, tmp_path: Path) -> None:
    source = tmp_path / "a.conf.j2"
    source.write_text("port={{ port }}\n{% include 'part' %}\n")
    (tmp_path / "part").write_text("on {{ inventory_hostname }}")
    (tmp_path / "out").mkdir()
    params: dict[str, Any] = {"src": str(source), "dest": f"{tmp_path}/out/", "mode": "0600"}
    first = await run(modules, "template", **params, variables={"port": 80})
    second = await run(modules, "template", **params, variables={"port": 80})
    third = await run(modules, "template", **params, variables={"port": 81})
    assert [r.changed for r in (first, second, third)] == [True, False, True]
    dest = tmp_path / "out" / "a.conf"
    assert (dest.read_text(), mode(dest)) == ("port=81\non localhost\n", "0600")


async def test_an_undefined_variable_is_never_an_empty_text(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "template", content="a={{ missing }}", dest=str(tmp_path / "f"))
    assert not result.success
    assert "'missing' is undefined" in (result.error or "")
    assert not (tmp_path / "f").exists()


async def test_a_broken_template_is_refused_with_its_line(modules: Ftl2Modules, tmp_path: Path) -> None:
    result = await run(modules, "template", content="ok\n{% if %}", dest=str(tmp_path / "f"))
    assert "line 2" in (result.error or "")


async def test_a_template_that_renders_too_long_is_stopped(modules: Ftl2Modules, tmp_path: Path) -> None:
    params = {
        "content": "{% for a in range(99999) %}{% for b in range(99999) if false %}{% endfor %}{% endfor %}",
        "dest": str(tmp_path / "f"),
    }
    result = await modules.run(call_of(modules, "template", params, timeout=0.5))
    assert (result.success, result.timed_out) == (False, True)
