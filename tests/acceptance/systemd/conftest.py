"""Machines for tests: each test gets one of its own, booted from the tree with the package installed."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.systemd import tree as trees
from tests.acceptance.systemd.living import come_alive
from tests.acceptance.systemd.machine import Done, Machine, booted
from tests.acceptance.systemd.nspawn import Nspawn
from tests.acceptance.systemd.pages import FILES
from tests.acceptance.systemd.uml import Uml

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD = Path("build")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Machines take longer than processes."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def tree() -> trees.Tree:
    found = trees.tree()
    if reason := trees.why_not(found):
        pytest.skip(reason)
    return found


@dataclass(frozen=True)
class Packages:
    """Two builds of a package."""

    previous: Path
    present: Path


def builds(pattern: str) -> Packages:
    """Those of one format, which have the release in their names."""
    found = [sorted(BUILD.glob(pattern.format(release))) for release in (1, 2)]
    if not all(found):
        pytest.skip(f"the package is not built: there is no {pattern} in {BUILD}; `make acceptance` builds it")
    return Packages(found[0][-1], found[1][-1])


@pytest.fixture(scope="session")
def packages() -> Packages:
    return builds("ftl2-enterprise_*-{}_*.deb")


@pytest.fixture(scope="session")
def places(tree: trees.Tree) -> Iterator[Iterator[Path]]:
    """Directories for machines, outside of any that is a tmpfs or an overlay; gone afterwards."""
    runs = tree.directory / "runs"
    for old in runs.glob("*"):
        if not Path(f"/proc/{old.name}").exists():
            shutil.rmtree(old)
    here = runs / str(os.getpid())
    here.mkdir(parents=True, exist_ok=True)
    yield (here / str(number) for number in itertools.count(1))
    shutil.rmtree(here)


@contextlib.contextmanager
def machine_of(tree: trees.Tree, place: Path, *layers: Path) -> Iterator[Machine[Nspawn]]:
    """A booted container; its directory is gone afterwards."""
    with booted(Nspawn(tree, place, layers)) as machine:
        yield machine
    shutil.rmtree(place)


def try_to_install(machine: Machine[Any], package: Path, *options: str) -> Done:
    """As an administrator does it; how it ends is for the caller to judge."""
    file = f"{FILES}/{package.name}"
    machine.engine.put(package, file)
    done = machine.try_("apt-get", "install", "--yes", *options, file, seconds=120)
    machine.run("rm", file)
    return done


def install(machine: Machine[Any], package: Path, *options: str) -> Done:
    """As an administrator does it; what was said."""
    done = try_to_install(machine, package, *options)
    assert done.status == 0, done
    return done


@pytest.fixture(scope="session")
def installed(tree: trees.Tree, packages: Packages, places: Iterator[Path]) -> Path:
    """What the installation of the package adds to the tree, and two people: alice may steer, mallory is anybody."""
    engine = Nspawn(tree, next(places))
    with booted(engine) as machine:
        install(machine, packages.present)
        machine.add_user("alice", "ftl2")
        machine.add_user("mallory")
        machine.power_off()
    return engine.upper


@pytest.fixture
def bare(tree: trees.Tree, places: Iterator[Path]) -> Iterator[Machine[Nspawn]]:
    """A machine on which nothing is installed."""
    with machine_of(tree, next(places)) as machine:
        yield machine


@pytest.fixture
def machine(tree: trees.Tree, installed: Path, places: Iterator[Path]) -> Iterator[Machine[Nspawn]]:
    """A machine with the package, booted; the service runs, because a package that is installed is enabled."""
    with machine_of(tree, next(places), installed) as made:
        made.until(made.is_active)
        yield made


@pytest.fixture
def running(bare: Machine[Nspawn], packages: Packages) -> Machine[Nspawn]:
    """The build before, with loops."""
    install(bare, packages.previous)
    come_alive(bare)
    return bare


@pytest.fixture(scope="module")
def virtual(tree: trees.Tree, packages: Packages, places: Iterator[Path]) -> Iterator[Machine[Uml]]:
    """A machine with a kernel of its own and every cgroup controller, and the package."""
    place = next(places)
    with booted(Uml(tree, place)) as made:
        install(made, packages.present)
        made.add_user("alice", "ftl2")
        made.until(made.is_active)
        yield made
    shutil.rmtree(place)
