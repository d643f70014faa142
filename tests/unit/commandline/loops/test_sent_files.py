"""Which files a client sends with a desired state."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.commandline.loops import sent_files
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.protocol.loops.sent_files import LARGEST_SUM, SentFile, check_files

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """\
version: 1
vars: {name: page}
steps:
  - {name: a, copy: {src: a.txt, dest: /a}}
  - {name: b, template: {src: ./below/../a.j2, dest: /b}}
  - {name: c, copy: {src: "{{ vars.name }}.txt", dest: /c}}
  - {name: d, action: {module: ansible.builtin.template, params: {src: /srv/d.j2, dest: /d}}}
  - {name: e, actions: [{module: copy, params: {content: x, dest: /e}}, {module: copy, params: {src: e.txt}}]}
  - {name: f, file: {path: /f, state: link, src: /not-a-source}}
"""


def names(files: list[SentFile], directory: Path) -> list[str]:
    return [os.path.relpath(file.path, directory) for file in files]


def test_an_inventory_is_sent_with_the_variables_next_to_it(tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text("web:\n")
    for name in ("group_vars/web.yml", "group_vars/all/a", "host_vars/b.json", "group_vars/.hidden.yml",
                 "group_vars/old.yml~", "group_vars/note.txt", "other/web.yml"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a: ü\n")
    found = sent_files.files(str(tmp_path / "hosts.yaml"))
    assert names(found, tmp_path) == ["hosts.yaml", "group_vars/all/a", "group_vars/web.yml", "host_vars/b.json"]
    assert [file.content for file in found] == ["web:\n", "a: ü\n", "a: ü\n", "a: ü\n"]


def test_the_files_of_a_policy_directory_are_sent(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "note.txt"):
        (tmp_path / name).write_text("rules: []\n")
    assert names(sent_files.files(None, str(tmp_path)), tmp_path) == ["a.yml", "b.yaml"]
    (tmp_path / "c.yml").mkdir()
    with pytest.raises(Problem, match=r"cannot send the policy .*c\.yml: it is a directory"):
        sent_files.files(None, str(tmp_path))


def test_sources_that_a_manifest_names_without_a_template_are_sent(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("a.txt", "a.j2", "e.txt", "page.txt", "not-a-source"):
        (tmp_path / name).write_text(name)
    spec = LoopSpec(name="x", desired_state=MANIFEST, source=str(tmp_path / "site.yaml"))
    # The service uses the same path for a source.
    assert [file.path for file in sent_files.files_of(spec)] == [
        str(tmp_path / name) for name in ("a.txt", "below/../a.j2", "e.txt")
    ]


@pytest.mark.parametrize("text", ["src: {", "src", "- src\n- steps", "steps: 3 # src", "steps: [src, {copy: src}]"])
def test_a_manifest_that_is_not_valid_is_left_to_the_service(text: str, tmp_path: Path) -> None:
    assert sent_files.files_of(LoopSpec(name="x", desired_state=text, source=str(tmp_path / "a.yaml"))) == []


def test_what_the_service_reads_itself_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("etc/hosts.yaml", "etc/policy.yaml", "program", "plain"):
        (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / "program").chmod(0o755)
    (tmp_path / "link.yaml").symlink_to(tmp_path / "etc" / "hosts.yaml")
    monkeypatch.setattr(sent_files, "ETC", str(tmp_path / "etc"))
    for name in ("etc/hosts.yaml", "link.yaml", "program", "missing", "etc"):
        assert sent_files.files(str(tmp_path / name)) == [], name
    assert sent_files.files(None, str(tmp_path / "etc")) == []
    assert names(sent_files.files(str(tmp_path / "plain")), tmp_path) == ["plain"]


def test_files_that_are_too_large_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a" * LARGEST_SUM)
    assert len(sent_files.files(str(tmp_path / "a"))) == 1
    (tmp_path / "b").write_text("bb")
    with pytest.raises(Problem, match=r"cannot send the policy .*/b: with it, the files are larger than 8 MiB"):
        sent_files.files(str(tmp_path / "a"), str(tmp_path / "b"))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([SentFile(path="a", content="")], "not an absolute path"),
        ([SentFile(path="/a", content=""), SentFile(path="/a", content="")], "given twice"),
        ([SentFile(path="/a", content="a\0b")], "not a text"),
        ([SentFile(path=f"/{n}", content="") for n in range(1001)], "1001 files"),
        ([SentFile(path=f"/{n}", content="a" * (5 << 20)) for n in range(2)], "larger than 8 MiB"),
    ],
)
def test_the_service_checks_what_it_is_sent(files: list[SentFile], reason: str) -> None:
    with pytest.raises(Problem, match=reason) as refused:
        check_files(files)
    assert refused.value.message.startswith("cannot send ")
