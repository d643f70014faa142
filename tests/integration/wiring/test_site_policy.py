"""Reading, publishing and following the policy of the site."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.core.settings.sections import StoreSettings
from ftl2_enterprise.gate.policy import published
from ftl2_enterprise.gate.policy.settings import PolicySettings
from ftl2_enterprise.gate.policy.types import Policy
from ftl2_enterprise.wiring import site_policy
from ftl2_enterprise.wiring.settings import MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.core.settings.model import Settings

RULES = """
rules:
- decision: ask
  match: {class: packages}
  by: admin
  people: 2
  expires: 1h
- decision: deny
  match: {module: shell}
  reason: no shell
  applies_to: [actions, observations]
"""


def settings_in(tmp_path: Path) -> Settings:
    store = StoreSettings(path=str(tmp_path / "loops.db"))
    return MODEL.of(store, PolicySettings(directory=str(tmp_path / "policy.d")))


def test_without_a_directory_or_files_the_policy_is_empty(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert site_policy.read_directory(settings) == Policy(is_site=True)
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / ".notes.txt").write_text("no policy")
    assert site_policy.read_directory(settings) == Policy(is_site=True)
    assert site_policy.read_directory(MODEL.of(PolicySettings())) == Policy(is_site=True)


def test_the_revision_depends_on_every_file(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    folder = tmp_path / "policy.d"
    folder.mkdir()
    (folder / "b.yaml").write_text(RULES)
    revisions = {site_policy.read_directory(settings).revision}
    (folder / "a.yml").write_text("rules: []\n")
    revisions.add(site_policy.read_directory(settings).revision)
    (folder / "a.yml").rename(folder / "c.yml")
    revisions.add(site_policy.read_directory(settings).revision)
    assert len(revisions) == 3
    assert all(len(revision) == 64 for revision in revisions)


def test_what_is_published_is_what_was_read(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "a.yaml").write_text(RULES)
    current = site_policy.PublishedSite(settings)
    assert current().problem == site_policy.MISSING
    assert site_policy.start(settings) is None
    assert current() == site_policy.read_directory(settings)
    assert current() is current()
    assert site_policy.published_file(settings).stat().st_mode & 0o777 == 0o600
    (tmp_path / "policy.d" / "a.yaml").write_text("rules: []\n")
    site_policy.accept(settings)
    assert current().rules == ()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"rules": []}', b"\xff\xfe", b'{"rules": [], "problem": "\xff"}', b"[" * 9000]
)
def test_a_damaged_file_denies(tmp_path: Path, content: bytes) -> None:
    settings = settings_in(tmp_path)
    site_policy.published_file(settings).write_bytes(content)
    assert site_policy.PublishedSite(settings)().problem.startswith("cannot read the published site policy")


def test_a_named_pipe_in_its_place_denies_and_stops_no_reader(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    os.mkfifo(site_policy.published_file(settings))
    assert "it is not a regular file" in site_policy.PublishedSite(settings)().problem
    assert site_policy.start(settings) is None
    assert not site_policy.PublishedSite(settings)().problem


def test_what_is_in_the_way_of_the_published_policy_is_replaced_or_denies(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    file = site_policy.published_file(settings)
    os.mkfifo(file.with_name(f"{file.name}.new"))
    assert site_policy.start(settings) is None
    file.unlink()
    file.mkdir()
    why = site_policy.start(settings)
    assert why is not None
    assert why.startswith("nothing has an effect")
    assert "it is a directory" in site_policy.PublishedSite(settings)().problem
    file.rmdir()
    with file.open("wb") as large:
        large.truncate(site_policy.LARGEST + 1)
    assert "it is larger than 16 MiB" in site_policy.PublishedSite(settings)().problem


def test_a_mistake_at_the_start_is_published_as_a_problem(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "a.yaml").write_text("rules: none\n")
    why = site_policy.start(settings)
    assert why is not None
    assert why.startswith("nothing has an effect, because the site policy cannot be used: cannot use the policy")
    assert "a.yaml line 1" in site_policy.PublishedSite(settings)().problem


def test_a_policy_of_an_earlier_run_of_the_service_does_not_stay_in_force(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    earlier = published.encode(Policy(is_site=True), service="1:1")
    site_policy.published_file(settings).write_bytes(earlier)
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "a.yaml").write_text("rules: none\n")
    site_policy.start(settings)
    assert site_policy.PublishedSite(settings)().problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_directory_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "policy.d").mkdir(mode=0)
    with pytest.raises(Problem) as caught:
        site_policy.read_directory(settings)
    assert "cannot read the site policy" in str(caught.value)


def test_a_file_in_the_place_of_the_directory_is_a_problem(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "policy.d").write_text("rules: []\n")
    with pytest.raises(Problem):
        site_policy.read_directory(settings)
