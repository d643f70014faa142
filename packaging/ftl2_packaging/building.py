"""From the source tree to a package."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from ftl2_packaging import environment, wheels
from ftl2_packaging.changelog import changelog
from ftl2_packaging.places import PACKAGING, SOURCE, CannotBuild

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_packaging.places import Build

FORMATS = ("deb", "rpm")


def prepare(build: Build) -> Path:
    """Make everything that goes into the packages; returns the description for nfpm."""
    found = wheels.collect(build)
    environment.make(build, found)
    date = datetime.fromtimestamp(build.epoch, UTC)
    (build.work / "changelog.yaml").write_text(changelog(build, date), encoding="utf-8")
    description = build.work / "nfpm.yaml"
    template = Template((PACKAGING / "nfpm.yaml").read_text(encoding="utf-8"))
    values = {
        "WORK": str(build.work),
        "ARCH": build.architecture,
        "VERSION": build.version,
        "RELEASE": build.release,
        "DATE": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    description.write_text(template.safe_substitute(values), encoding="utf-8")
    return description


def write(build: Build, description: Path, formats: Iterable[str]) -> list[Path]:
    """Make the packages. Raises CannotBuild."""
    nfpm = Path(sys.executable).parent / "nfpm"
    made: list[Path] = []
    for kind in formats:
        before = {path: path.stat().st_mtime_ns for path in build.output.glob(f"*.{kind}")}
        done = subprocess.run(
            [nfpm, "package", "--config", description, "--packager", kind, "--target", build.output],
            cwd=SOURCE,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(build.epoch)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotBuild(f"cannot make the {kind}: {(done.stderr + done.stdout).strip()}")
        made += [path for path in build.output.glob(f"*.{kind}") if before.get(path) != path.stat().st_mtime_ns]
    return made
