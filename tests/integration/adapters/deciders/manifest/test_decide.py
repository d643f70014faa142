"""Manifests decided and executed on this machine, with real files and processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.deciders.manifest.decide import ManifestDecider
from ftl2_enterprise.adapters.deciders.manifest.load import load
from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from ftl2_enterprise.adapters.hosts.inventory.model import Inventory
from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe
from ftl2_enterprise.cli.loops.tour.copying import copy_tour
from ftl2_enterprise.loops.ports import ModuleCall, ModuleResult
from tests.support.loops.manifests import Run, SmallEngine, run_here, steps
from tests.support.loops.permitted import call_of
from tests.support.processes import gates, sshd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def with_ftl2(modules: Ftl2Modules, runner: asyncio.Runner) -> Run:
    """Runs calls through the real adapter, for code that is not asynchronous."""

    def run(call: ModuleCall) -> ModuleResult:
        # Only the adapter knows which host that is.
        known = call_of(modules, call.module, call.params, host=call.host, timeout=call.timeout, fence=call.fence)
        return runner.run(modules.run(known))

    return run


@pytest.fixture(params=["plain", "ftl2"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    if request.param == "plain":
        yield run_here
        return
    with asyncio.Runner() as runner:
        modules = Ftl2Modules(None, work_dir=tmp_path / "work", redact=lambda text: text)
        yield with_ftl2(modules, runner)
        runner.run(modules.close())


@pytest.fixture
def tour(tmp_path: Path, run: Run) -> Iterator[tuple[SmallEngine, Path]]:
    scratch = tmp_path / "a tour's place"
    scratch.mkdir()
    engine = SmallEngine(ManifestDecider(load(copy_tour(scratch))), {"log_level": "verbose"}, run)
    yield engine, scratch / "host"
    pid_file = scratch / "host/run/service.pid"
    if pid_file.exists():
        os.kill(int(pid_file.read_text()), signal.SIGTERM)


def test_tour_converges_and_repairs_what_is_broken(tour: tuple[SmallEngine, Path]) -> None:
    engine, host = tour
    assert engine.converge() <= 4
    reasons = [action.reason for action in engine.decisions[1].actions]
    assert reasons[0] == f"directories: {host}/etc does not exist"
    assert engine.decisions[0].ask is not None
    assert "log_level=verbose" in (host / "etc/logging.conf").read_text()
    first = int((host / "run/service.pid").read_text())
    assert engine.converge() == 1

    (host / "etc/service.conf").write_text("interval=99\n")
    (host / "bin").chmod(0o700)
    repair = engine.iterate()
    assert any("service.conf content differs" in line for line in repair.unmet)
    assert any("mode is 0700, not 0755" in line for line in repair.unmet)
    assert {action.module for action in repair.actions} == {"copy", "file"}
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


def test_every_kind_of_path_converges(tmp_path: Path, run: Run) -> None:
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
    engine = SmallEngine(ManifestDecider(steps(text)), {}, run)
    assert len(engine.decider.observations(())) == 1
    assert engine.converge() == 2
    assert len(engine.decisions[0].actions) == 5
    assert (tmp_path / "link").readlink() == Path("there")
    assert (tmp_path / "text").read_text() == "a\nb\n"


def test_a_thousand_paths_are_observed_in_a_few_calls(tmp_path: Path) -> None:
    text = "".join(f"  - {{name: f{n}, file: {{path: {tmp_path}/f{n}, state: touch}}}}\n" for n in range(1000))
    engine = SmallEngine(ManifestDecider(steps(text)), {})
    specs = engine.decider.observations(())
    assert len(specs) <= 3
    assert len({spec.name for spec in specs}) == len(specs)
    for n in range(1000):
        (tmp_path / f"f{n}").touch()
    assert engine.converge() == 1


def test_a_file_that_may_not_be_examined_is_not_absent() -> None:
    def unprivileged(call: ModuleCall) -> ModuleResult:
        reader, writer = os.pipe()
        if os.fork() == 0:
            if os.geteuid() == 0:
                os.setuid(65_534)
            os.write(writer, json.dumps(observe(call.module, dict(call.params))).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            found = json.load(pipe)
        os.wait()
        return ModuleResult(success=True, output=found)

    with tempfile.TemporaryDirectory() as name:
        closed = Path(name) / "closed"
        closed.mkdir()
        (closed / "file").touch()
        Path(name).chmod(0o755)
        text = f"  - {{name: gone, file: {{path: {closed}/file, state: absent}}}}\n"
        closed.chmod(0)
        try:
            decision = SmallEngine(ManifestDecider(steps(text)), {}, unprivileged).iterate()
        finally:
            closed.chmod(0o700)
    assert not decision.converged
    assert decision.actions == []
    assert "cannot be examined: permission denied" in decision.unmet[0]


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Callable[[str], SmallEngine]]:
    """Engines for a manifest whose hosts are `far`, over SSH, and `gone`, where no process listens."""
    gates.build(tmp_path)
    try:
        for name in ("sshd", "home"):
            (tmp_path / name).mkdir()
        with sshd.running(tmp_path / "sshd", tmp_path / "home") as server, asyncio.Runner() as runner:
            inventory = Inventory()
            inventory.host("far").update(server.host_vars())
            inventory.host("gone").update(server.host_vars(ansible_port=sshd.free_port()))
            inventory.group("both").members.update({"far": None, "gone": None})
            modules = Ftl2Modules(inventory.settle(), work_dir=tmp_path, redact=lambda text: text)

            def engine(text: str) -> SmallEngine:
                decider = ManifestDecider(steps(text), expand=modules.expand)
                return SmallEngine(decider, {}, with_ftl2(modules, runner))

            yield engine
            runner.run(modules.close())
    except sshd.CannotStart as error:
        pytest.skip(str(error))


@pytest.mark.ssh
@pytest.mark.timeout(180)
def test_a_host_over_ssh_converges_and_an_unreachable_one_is_skipped(
    far: Callable[[str], SmallEngine], tmp_path: Path
) -> None:
    text = f"""
  - {{name: place, host: both, file: {{path: {tmp_path}/place, state: directory, mode: 0750}}}}
  - {{name: text, host: both, copy: {{dest: {tmp_path}/place/text, content: "{{{{ host }}}}\\n", mode: 0640}}}}
  - {{name: seen, host: both, check: {{command: test -e {tmp_path}/place/seen}},
     action: {{module: shell, params: {{cmd: touch {tmp_path}/place/seen}}}}}}
"""
    engine = far(text)
    first = engine.iterate()
    assert {action.host for action in first.actions} == {"far"}
    assert (tmp_path / "place/text").read_text() == "far\n"
    second = engine.iterate()
    assert not second.converged
    assert second.actions == []
    assert len(second.unmet) == 1
    assert second.unmet[0].startswith("gone cannot be observed: ")
