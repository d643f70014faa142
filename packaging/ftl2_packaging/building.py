"""From the source tree to a package."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from ftl2_enterprise.shell.commands import completing

from ftl2_packaging import config_file, environment, licences, manpages, wheels
from ftl2_packaging.changelog import changelog
from ftl2_packaging.places import PACKAGING, SOURCE, CannotBuild

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_packaging.places import Build

FORMATS = ("deb", "rpm")
COMPLETIONS = {"bash": "completion.bash", "zsh": "completion.zsh", "fish": "completion.fish"}


def prepare(build: Build) -> Path:
    """Make everything that goes into the packages; returns the description for nfpm."""
    found = wheels.collect(build)
    environment.make(build, found)
    _texts(build, licences.read(found))
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


def _texts(build: Build, bundled: list[licences.Bundled]) -> None:
    texts = build.work / "texts"
    shutil.rmtree(texts, ignore_errors=True)
    texts.mkdir(parents=True)
    (texts / "config.toml").write_text(config_file.document(), encoding="utf-8")
    (texts / "copyright").write_text(licences.copyright_file(bundled), encoding="utf-8")
    licences.write_texts(bundled, texts / "licences")
    for name, page in manpages.documents(build).items():
        _write_compressed(texts / f"{name}.gz", page.encode())
    _write_compressed(texts / "changelog.gz", (SOURCE / "CHANGELOG.md").read_bytes())
    for shell, name in COMPLETIONS.items():
        (texts / name).write_text(completing.SCRIPTS[shell], encoding="utf-8")
    environment.settle(texts, build.epoch)


def _write_compressed(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, 9, mtime=0))


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
