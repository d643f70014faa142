"""The environment in /usr/lib/ftl2-enterprise: a virtual environment of the system's Python, without pip."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ftl2_packaging import wheels as wheel_files
from ftl2_packaging.places import ENVIRONMENT, PACKAGING, PYTHON, CannotBuild

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_packaging.places import Build

SITE_PACKAGES = f"lib/python{PYTHON}/site-packages"
INTERPRETER = f"/usr/bin/python{PYTHON}"

STRIPPED_FOLDERS = (
    "alembic/testing",
    "certifi/tests",
    "mako/testing",
    "segment/analytics/test",
    "sqlalchemy/testing",
)
"""Tests that distributions install together with their code."""
STRIPPED_NAMES = frozenset(
    {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "entry_points.txt", "zip-safe", "top_level.txt"}
)
"""Metadata of distributions that only installers use."""
STRIPPED_ENDINGS = (".pyi", ".pxd", ".pyx", ".c", ".h", ".cpp")

_SETTINGS = f"""\
home = /usr/bin
include-system-site-packages = false
version = {PYTHON}
executable = {INTERPRETER}
"""


def make(build: Build, wheels: Iterable[Path]) -> None:
    """Create the environment from the wheels; the last one is that of this program."""
    *others, own = wheels
    root = build.environment
    shutil.rmtree(root, ignore_errors=True)
    packages = root / SITE_PACKAGES
    shutil.copytree(_of_others(build, others), packages)
    _unpack(own, packages)
    _compile(packages / "ftl2_enterprise", packages)
    (root / "pyvenv.cfg").write_text(_SETTINGS, encoding="utf-8")
    _programs(root / "bin")
    libexec = root / "libexec"
    libexec.mkdir()
    shutil.copy(PACKAGING / "scripts" / "after-upgrade", libexec)
    settle(root, build.epoch)


def _of_others(build: Build, wheels: Iterable[Path]) -> Path:
    """The bundled distributions, unpacked and compiled; cached until the lock file or this file changes."""
    digest = hashlib.sha256(wheel_files.LOCK.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    kept = build.cache / "bundled" / f"{digest}-{build.machine}"
    if not kept.is_dir():
        partial = kept.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for wheel in wheels:
            _unpack(wheel, partial)
        for folder in STRIPPED_FOLDERS:
            shutil.rmtree(partial / folder)
        _compile(partial, partial)
        partial.rename(kept)
    return kept


def _unpack(wheel: Path, packages: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename)
            top = path.parts[0]
            if entry.is_dir() or top.endswith(".data"):
                # The wheels of the lock file have only headers and programs there, which the service does not need.
                continue
            if top.endswith(".dist-info") and (path.name in STRIPPED_NAMES or "licenses" in path.parts):
                continue
            if path.suffix in STRIPPED_ENDINGS:
                continue
            target = packages / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(entry))


def _programs(folder: Path) -> None:
    folder.mkdir()
    for name in ("python", "python3"):
        (folder / name).symlink_to(f"python{PYTHON}")
    (folder / f"python{PYTHON}").symlink_to(INTERPRETER)
    for script in (PACKAGING / "scripts" / "bin").iterdir():
        shutil.copy(script, folder)


def _compile(folder: Path, packages: Path) -> None:
    """Compile to byte-code that Python does not compare with the source: only another package changes either.

    One process, a fixed order and a fixed hash seed: otherwise the bytes would differ between builds.
    """
    shown_as = ["-s", str(packages), "-p", f"/{ENVIRONMENT}/{SITE_PACKAGES}"]
    words = ["-q", "--invalidation-mode", "unchecked-hash", *shown_as, str(folder)]
    done = subprocess.run(
        [sys.executable, "-I", "-m", "compileall", *words],
        env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotBuild(f"cannot compile what is bundled:\n{done.stdout[-2000:]}")


def settle(root: Path, epoch: int) -> None:
    """Set one date and the usual modes for all files below the folder."""
    for folder, _, names in os.walk(root):
        Path(folder).chmod(0o755)
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                executable = path.parent.name in ("bin", "libexec") or path.suffix == ".sh"
                path.chmod(0o755 if executable else 0o644)
            os.utime(path, (epoch, epoch), follow_symlinks=False)
    for folder, _, _ in os.walk(root, topdown=False):
        os.utime(folder, (epoch, epoch))
