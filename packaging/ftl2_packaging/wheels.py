"""The wheels of the bundled distributions, downloaded by the hashes of the lock file."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from ftl2_packaging.places import PACKAGING, PYTHON, SOURCE, CannotBuild

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl2_packaging.places import Build

LOCK = PACKAGING / "requirements.lock"
SOURCE_ONLY = ("sdnotify",)
"""Distributions that are published without a wheel; it is built here. They are pure Python."""
GLIBC = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""Fixed, and not the version of the build machine, so that the package is the same on every machine."""


def collect(build: Build) -> list[Path]:
    """The wheels of the lock file, and that of this program as the last one. Raises CannotBuild."""
    return [*sorted(fetch(build).glob("*.whl")), build_own(build)]


def fetch(build: Build) -> Path:
    """The folder with the wheels of the lock file; they are downloaded once. Raises CannotBuild."""
    _check_python()
    kept = folder_of(build)
    if not kept.is_dir():
        partial = kept.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _download(partial, build)
        partial.rename(kept)
    return kept


def folder_of(build: Build) -> Path:
    """Where the wheels of the lock file are kept between builds; it exists only after they were downloaded."""
    return build.cache / "wheels" / f"{_digest(LOCK)}-{build.machine}"


def _check_python() -> None:
    if f"{sys.version_info[0]}.{sys.version_info[1]}" != PYTHON:
        raise CannotBuild(
            f"cannot build with Python {sys.version_info[0]}.{sys.version_info[1]}: the byte-code in the package is"
            f" for {PYTHON}; create .venv with it (make clean, then make PYTHON=python{PYTHON} deb)"
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _download(into: Path, build: Build) -> None:
    built, plain = into / "built.txt", into / "plain.txt"
    requirements = re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8").strip())
    is_source = {one: one.partition("==")[0] in SOURCE_ONLY for one in requirements}
    plain.write_text("\n".join(one for one in requirements if not is_source[one]), encoding="utf-8")
    built.write_text("\n".join(one for one in requirements if is_source[one]), encoding="utf-8")
    common = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
    platforms = [word for glibc in GLIBC for word in ("--platform", f"{glibc}_{build.machine}")]
    target = ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", *platforms]
    _pip("download", *common, *target, "--dest", str(into), "--requirement", str(plain), build=build)
    _pip("wheel", *common, "--no-build-isolation", "--wheel-dir", str(into), "--requirement", str(built), build=build)


def build_own(build: Build) -> Path:
    """The wheel of this program. Raises CannotBuild."""
    folder = build.work / "own"
    folder.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], build)
    return next(folder.glob("*.whl"))


def _pip(*arguments: str, build: Build) -> None:
    _run([sys.executable, "-m", "pip", *arguments], build)


def _run(command: Sequence[str], build: Build) -> None:
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(build.epoch), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=SOURCE, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise CannotBuild(f"cannot download the bundled wheels: {' '.join(command[2:4])} failed:\n{tail}")
