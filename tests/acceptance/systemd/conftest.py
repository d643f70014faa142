"""Machines for tests: each test gets its own, booted from the tree with the package installed."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.systemd import tree as trees
from tests.acceptance.systemd.machine import Done, Machine, booted
from tests.acceptance.systemd.nspawn import Nspawn
from tests.acceptance.systemd.pages import FILES
from tests.acceptance.systemd.uml import Uml
from tests.acceptance.systemd.workload import come_alive

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

BUILD = Path("build")
HERE = Path(__file__).parent
ENOUGH = 4 << 30
"""Bytes of memory from which machines write there."""


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
    """Directories for machines, outside of any overlay; gone afterwards.

    In memory where there is enough of it, because a disk takes half of the time: what a machine writes is some
    hundred megabytes. They are mounted for this process and those below it, so that they end with it.
    """
    runs = tree.directory / "runs"
    for old in runs.glob("*"):
        if not Path(f"/proc/{old.name}").exists():
            # Workers clean up at the same time: what one has removed, the other does not find.
            shutil.rmtree(old, ignore_errors=True)
    here = runs / str(os.getpid())
    here.mkdir(parents=True, exist_ok=True)
    if in_memory := _available() > ENOUGH:
        os.unshare(os.CLONE_NEWNS)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ENOUGH}", "tmpfs", here], check=True)
    yield (here / str(number) for number in itertools.count(1))
    if in_memory:
        # Lazily: a process of a machine may still be ending.
        subprocess.run(["umount", "--lazy", here], check=True)
    shutil.rmtree(here)


def _available() -> int:
    """Bytes of memory that can be had."""
    (line,) = [each for each in Path("/proc/meminfo").read_text().splitlines() if each.startswith("MemAvailable:")]
    return int(line.split()[1]) << 10


@contextlib.contextmanager
def machine_of(tree: trees.Tree, place: Path, *layers: Path) -> Generator[Machine[Nspawn]]:
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
    """As an administrator does it; returns the result with its output."""
    done = try_to_install(machine, package, *options)
    assert done.status == 0, done
    return done


def installed_once(tree: trees.Tree, place: Path, package: Path, people: Mapping[str, Sequence[str]]) -> Path:
    """What the installation of the package adds to the tree, and people with their groups."""
    engine = Nspawn(tree, place)
    with booted(engine) as machine:
        install(machine, package)
        for name, groups in people.items():
            machine.add_user(name, *groups)
        machine.power_off()
    return engine.upper


@pytest.fixture(scope="session")
def installed(tree: trees.Tree, packages: Packages, places: Iterator[Path]) -> Path:
    """The package, and two users: alice may operate the service, mallory has no access."""
    return installed_once(tree, next(places), packages.present, {"alice": ["ftl2"], "mallory": []})


@pytest.fixture(scope="session")
def installed_before(tree: trees.Tree, packages: Packages, places: Iterator[Path]) -> Path:
    """The build before."""
    return installed_once(tree, next(places), packages.previous, {})


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
def outdated(tree: trees.Tree, installed_before: Path, places: Iterator[Path]) -> Iterator[Machine[Nspawn]]:
    """A machine with the build before; its service runs."""
    with machine_of(tree, next(places), installed_before) as made:
        made.until(made.is_active)
        yield made


@pytest.fixture
def running(outdated: Machine[Nspawn]) -> Machine[Nspawn]:
    """The same, with loops."""
    come_alive(outdated)
    return outdated


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
