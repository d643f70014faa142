"""Manifests decided and carried out on this machine, with real files and processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ftl2_enterprise.adapters.models.manifest import ManifestDecider, load
from ftl2_enterprise.console.tour.copying import copy_tour
from tests.support.manifests import SmallEngine, steps


@pytest.fixture
def tour(tmp_path: Path):
    scratch = tmp_path / "a tour's place"
    scratch.mkdir()
    engine = SmallEngine(ManifestDecider(load(copy_tour(scratch))), {"log_level": "verbose"})
    yield engine, scratch / "host"
    pid_file = scratch / "host/run/service.pid"
    if pid_file.exists():
        os.kill(int(pid_file.read_text()), signal.SIGTERM)


def test_tour_converges_and_mends_what_is_broken(tour: tuple[SmallEngine, Path]) -> None:
    engine, host = tour
    assert engine.converge() <= 4
    assert engine.decisions[0].ask is not None
    assert "log_level=verbose" in (host / "etc/logging.conf").read_text()
    first = int((host / "run/service.pid").read_text())
    assert engine.converge() == 1

    (host / "etc/service.conf").write_text("interval=99\n")
    (host / "bin").chmod(0o700)
    mending = engine.iterate()
    assert any("service.conf content differs" in line for line in mending.unmet)
    assert any("mode is 0700, not 0755" in line for line in mending.unmet)
    assert {action.module for action in mending.actions} == {"copy", "file"}
    assert engine.converge() <= 2
    assert int((host / "run/service.pid").read_text()) == first

    os.kill(first, signal.SIGKILL)
    assert engine.converge() == 2
    assert any("service on localhost: not running" in line for line in engine.decisions[-2].unmet)
    second = int((host / "run/service.pid").read_text())
    assert second != first


def test_tour_restarts_its_service_when_the_configuration_changed(tour: tuple[SmallEngine, Path]) -> None:
    engine, host = tour
    engine.converge()
    first = (host / "run/service.pid").read_text()
    (host / "run/service.config").write_text("another\n")
    assert engine.converge() == 2
    assert (host / "run/service.pid").read_text() != first


def test_every_kind_of_path_is_put_in_place(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "old").mkdir()
    (tmp_path / "old/file").write_text("x")
    (tmp_path / "there").write_text("x")
    (tmp_path / "there").chmod(0o600)
    text = f"""
  - {{name: link, file: {{path: {tmp_path}/link, state: link, src: there}}}}
  - {{name: old, file: {{path: {tmp_path}/old, state: absent}}}}
  - {{name: touched, file: {{path: "{tmp_path}/it's new", state: touch}}}}
  - {{name: there, file: {{path: {tmp_path}/there, mode: 0640}}}}
  - {{name: text, copy: {{dest: {tmp_path}/text, content: "a\\nb\\n", mode: 0600}}}}
"""
    engine = SmallEngine(ManifestDecider(steps(text)), {})
    assert len(engine.decider.observations(())) == 1
    assert engine.converge() == 2
    assert len(engine.decisions[0].actions) == 5
    assert (tmp_path / "link").readlink() == Path("there")
    assert (tmp_path / "text").read_text() == "a\nb\n"


def test_a_thousand_paths_are_seen_in_a_few_calls(tmp_path: Path) -> None:
    text = "".join(f"  - {{name: f{n}, file: {{path: {tmp_path}/f{n}, state: touch}}}}\n" for n in range(1000))
    engine = SmallEngine(ManifestDecider(steps(text)), {})
    specs = engine.decider.observations(())
    assert len(specs) <= 3
    assert len({spec.name for spec in specs}) == len(specs)
    for n in range(1000):
        (tmp_path / f"f{n}").touch()
    assert engine.converge() == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_what_nobody_may_look_at_is_not_absent(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "file").touch()
    closed.chmod(0)
    text = f"  - {{name: gone, file: {{path: {closed}/file, state: absent}}}}\n"
    try:
        decision = SmallEngine(ManifestDecider(steps(text)), {}).iterate()
    finally:
        closed.chmod(0o700)
    assert not decision.converged
    assert "may not be looked at" in decision.unmet[0]
