"""The packages, built once for all tests and all workers."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

import pytest

from ftl2_packaging import building, places

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Path]:
    """The .deb and the .rpm by their formats."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "packages"
    folder.mkdir(exist_ok=True)
    with (folder / ".built").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(folder.glob("*.rpm")):
            try:
                building.make(places.of_source(folder, "1"), building.FORMATS)
            except places.CannotBuild as reason:
                pytest.skip(str(reason))
    return {kind: next(folder.glob(f"*.{kind}")) for kind in building.FORMATS}
