"""What a process of the service receives: the settings in effect, even if the files have changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from ftl2_enterprise.core import child_startup
from ftl2_enterprise.core.child_startup import Startup
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.loops.settings import LoopSettings
from ftl2_enterprise.wiring.settings import MODEL

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("[loops]\ninterval = 7\n[limits]\npids = 5\n[access]\nview = ['%ops']\n")
    return path


def _begun(config: Path) -> Startup:
    begun = Startup(config=str(config), flags={"supervisor.max_running": "3"}, writer="/run/w")
    return child_startup.decode(begun.renewed(begun.load(MODEL)).encode())


def test_the_settings_in_effect_are_passed_unchanged(config: Path) -> None:
    begun = _begun(config)
    found = begun.in_force(MODEL)
    assert found == begun.load(MODEL)
    assert (found.settings.section(LoopSettings).interval, found.settings.supervisor.max_running) == (7.0, 3)
    assert found.origins["limits.pids"] == str(config)


def test_a_settings_file_that_became_invalid_stops_no_process(config: Path) -> None:
    begun = _begun(config)
    config.write_text("[loops\n")
    assert begun.in_force(MODEL).settings.limits.pids == 5
    with pytest.raises(Problem, match="not TOML"):
        begun.load(MODEL)


def test_the_argument_of_another_version_is_understood(config: Path) -> None:
    begun = _begun(config)
    older = replace(begun, values={"loops": {"interval": 9.0, "gone": True}, "removed": {"x": 1}})
    found = older.in_force(MODEL).settings
    assert found == MODEL.of(LoopSettings(interval=9.0))
    renamed = replace(begun, values={"store": {"keep_looks": 2.0}})
    assert renamed.in_force(MODEL).settings == MODEL.of(LoopSettings(keep_noop_iterations=2.0))
    # A value that this version does not take: what stands in the files counts.
    assert replace(begun, values={"loops": {"interval": "soon"}}).in_force(MODEL) == begun.load(MODEL)
    assert replace(begun, values={}).in_force(MODEL) == begun.load(MODEL)
