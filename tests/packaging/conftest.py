"""The packages, built once for all tests and all workers."""

from __future__ import annotations

import fcntl
import hashlib
from pathlib import Path

import pytest

from ftl2_packaging import building, places


def source_state() -> str:
    """Changes when anything does that goes into the packages."""
    folders = ("ftl2_enterprise", "packaging", "systemd", "docs", "examples")
    files = [path for folder in folders for path in (places.SOURCE / folder).rglob("*") if path.suffix != ".pyc"]
    dates = [f"{path} {path.stat().st_mtime_ns}" for path in sorted(files) if path.is_file()]
    inputs = "\n".join([str(places.of_source(Path(), "1").epoch), *dates])
    return hashlib.sha256(inputs.encode()).hexdigest()


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Path]:
    """The .deb and the .rpm by their formats."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "packages"
    folder.mkdir(exist_ok=True)
    with (folder / ".built").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(folder.glob("*.rpm")):
            (folder / "source").write_text(source_state())
            try:
                building.make(places.of_source(folder, "1"), building.FORMATS)
            except places.CannotBuild as reason:
                pytest.skip(str(reason))
    return {kind: next(folder.glob(f"*.{kind}")) for kind in building.FORMATS}
