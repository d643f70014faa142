"""Files of the site policy's directory that are not read, although a person may have meant them as rules."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.core.settings.sections import StoreSettings
from ftl2_enterprise.gate.policy.settings import PolicySettings
from ftl2_enterprise.protocol.loops.verbs import ShowPolicy
from ftl2_enterprise.wiring import site_policy
from ftl2_enterprise.wiring.loops import policy_check
from ftl2_enterprise.wiring.settings import MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from ftl2_enterprise.core.settings.model import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "a.yaml").write_text("rules: []\n")
    store = StoreSettings(path=str(tmp_path / "loops.db"))
    return MODEL.of(store, PolicySettings(directory=str(tmp_path / "policy.d")))


NOT_MEANT = (".hidden", ".a.yaml.swp", "a.yaml~", "a.yaml.dpkg-old", "a.yaml.dpkg-dist", "a.yaml.rpmsave",
             "a.yaml.rpmnew", "a.yaml.bak", "a.yaml.orig", "#a.yaml#", "README", "README.md", "a.yaml.disabled",
             "a.yaml.ucf-dist")  # fmt: skip


@pytest.mark.parametrize("name", NOT_MEANT)
def test_no_warning_of_what_is_not_meant_as_a_policy(name: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "policy.d" / name).write_text("rules: []\n")
    assert site_policy.read_directory(settings).ignored == ()


@pytest.mark.parametrize("name", ["b.YAML", "b.yml.txt", "b", "b.json"])
def test_a_file_that_is_not_read(name: str, settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "policy.d"
    (folder / name).write_text("rules: [{decision: deny, match: {module: shell}}]\n")
    (warning,) = site_policy.read_directory(settings).ignored
    assert warning == f"the file '{name}' in {folder} is not read; the name of a policy file ends with .yaml or .yml"


def test_a_directory_is_not_read(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "policy.d" / "more").mkdir()
    (warning,) = site_policy.read_directory(settings).ignored
    assert warning.startswith("the directory 'more' in ")


def test_the_warnings_are_published_and_shown(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "policy.d" / "b.YAML").write_text("rules: []\n")
    (tmp_path / "policy.d" / os.fsdecode(b"\xff")).write_text("rules: []\n")
    assert site_policy.start(settings) is None
    warnings = site_policy.PublishedSite(settings)().ignored
    assert ["b.YAML" in one for one in warnings] == [True, False]
    for in_service in (True, False):
        shown = policy_check.in_force(ShowPolicy(), settings, None, in_service=in_service)
        assert shown.warnings == [f"site: {one}" for one in warnings]


def test_of_many_files_some_are_named(settings: Settings, tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / "policy.d" / f"{number:02}.YAML").write_text("rules: []\n")
    warnings = site_policy.read_directory(settings).ignored
    assert len(warnings) == 21
    assert warnings[-1] == f"5 more files and directories in {tmp_path}/policy.d are not read"
