"""Builds the packages from the source tree with nfpm."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import yaml

from ftl2_enterprise.ctl.commands.shell import completion
from ftl2_packaging import config_file, environment, licences, manpages, wheels
from ftl2_packaging.changelog import MAINTAINER, debian_changelog, rpm_changelog
from ftl2_packaging.places import PACKAGING, SOURCE, CannotBuild

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_packaging.places import Build

FORMATS = ("deb", "rpm")
DOCUMENTS = (
    "docs/tutorial/*.md",
    "docs/how-to/*.md",
    "docs/reference/*.*",
    "docs/explanation/*.*",
    "docs/explanation/processes/*.md",
    "docs/decisions/*.md",
    "examples/*.*",
    "examples/manifests/*.*",
    "examples/manifests/templates/*.*",
    "examples/rules/*.*",
    "systemd/examples/*.*",
)
COMPLETIONS = {"bash": "completion.bash", "zsh": "completion.zsh", "fish": "completion.fish"}


def make(build: Build, formats: Iterable[str]) -> list[Path]:
    """Build the packages; one build at a time, because the caches are shared. Raises CannotBuild."""
    build.cache.mkdir(parents=True, exist_ok=True)
    build.output.mkdir(parents=True, exist_ok=True)
    with (build.cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bundled = _prepare(build)
        return _write(build, formats, licences.expression(bundled))


def _prepare(build: Build) -> list[licences.Bundled]:
    found = wheels.collect(build)
    environment.make(build, found)
    bundled = licences.read(found)
    _texts(build, bundled)
    (build.work / "changelog.yaml").write_text(rpm_changelog(build, _date(build)), encoding="utf-8")
    return bundled


def _description(build: Build, kind: str, licence: str) -> Path:
    """The description of the packages, with the variables and the documents of one format."""
    path = build.work / f"nfpm.{kind}.yaml"
    template = Template((PACKAGING / "nfpm.yaml").read_text(encoding="utf-8"))
    values = {
        "MAINTAINER": MAINTAINER,
        "LICENCE": licence,
        "WORK": str(build.work),
        "ARCH": build.architecture,
        "VERSION": build.version,
        "RELEASE": build.release,
        "DATE": _date(build).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    described = yaml.safe_load(template.substitute(values))
    if kind == "deb":
        # Its own is among the contents.
        del described["changelog"]
    described["contents"] = [one for content in described["contents"] for one in _contents(content, kind)]
    # JSON is YAML.
    path.write_text(json.dumps(described, indent=1), encoding="utf-8")
    return path


def _contents(content: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    if content.get("type") != "document":
        return [content]
    # Only RPM marks documents: nfpm omits marked files from a Debian package, and accepts no pattern for them.
    content = {**content, "type": "doc" if kind == "rpm" else "file"}
    source = str(content["src"])
    if "*" not in source:
        return [content]
    found = sorted(Path(source).parent.glob(Path(source).name))
    if not found:
        raise CannotBuild(f"cannot find {source}")
    return [{**content, "src": str(path), "dst": f"{content['dst']}/{path.name}"} for path in found]


def _date(build: Build) -> datetime:
    return datetime.fromtimestamp(build.epoch, UTC)


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
    _write_compressed(texts / "changelog.Debian.gz", debian_changelog(build, _date(build)).encode())
    for pattern in DOCUMENTS:
        # Copied, so that later changes of the source have no effect on this build.
        for path in SOURCE.glob(pattern):
            copy = texts / path.relative_to(SOURCE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    for shell, name in COMPLETIONS.items():
        (texts / name).write_text(completion.SCRIPTS[shell], encoding="utf-8")
    environment.settle(texts, build.epoch)


def _write_compressed(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, 9, mtime=0))


def _write(build: Build, formats: Iterable[str], licence: str) -> list[Path]:
    nfpm = Path(sys.executable).parent / "nfpm"
    if not nfpm.exists():
        raise CannotBuild("cannot find nfpm: `make deb` installs it into .venv")
    made: list[Path] = []
    for kind in formats:
        before = {path: path.stat().st_mtime_ns for path in build.output.glob(f"*.{kind}")}
        done = subprocess.run(
            [
                nfpm,
                "package",
                "--config",
                _description(build, kind, licence),
                "--packager",
                kind,
                "--target",
                build.output,
            ],
            cwd=SOURCE,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(build.epoch)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotBuild(f"cannot build the {kind}: {(done.stderr + done.stdout).strip()}")
        made += [path for path in build.output.glob(f"*.{kind}") if before.get(path) != path.stat().st_mtime_ns]
    return made
