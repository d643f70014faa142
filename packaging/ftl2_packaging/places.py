"""Paths of the source tree, and the parameters of a build."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

SOURCE = Path(__file__).parents[2]
PACKAGING = SOURCE / "packaging"
NAME = "ftl2-enterprise"
ENVIRONMENT = f"usr/lib/{NAME}"
PYTHON = "3.13"
"""The Python whose byte-code and extension modules are in the package."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class CannotBuild(Exception):
    """The message is one sentence about what is missing."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """One build: everything that determines the bytes of the result."""

    output: Path
    cache: Path
    """The folder of files that are kept between builds."""
    version: str
    release: str
    epoch: int
    """The date of every file, in seconds since 1970."""
    machine: str = platform.machine()

    @property
    def architecture(self) -> str:
        """Debian's name of the architecture."""
        return _ARCHITECTURES[self.machine]

    @property
    def work(self) -> Path:
        """The folder of the files that go into the packages."""
        return self.output / "package"

    @property
    def environment(self) -> Path:
        """The folder that becomes /usr/lib/ftl2-enterprise."""
        return self.work / "environment"


def of_source(output: Path, release: str) -> Build:
    """A build of the source tree; version and date come from it. Raises CannotBuild."""
    if platform.machine() not in _ARCHITECTURES:
        raise CannotBuild(f"cannot build a package for {platform.machine()}: only for {', '.join(_ARCHITECTURES)}")
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))
    version = cast("str", project["project"]["version"])
    return Build(output=output.absolute(), cache=SOURCE / "build", version=version, release=release, epoch=_epoch())


def _epoch() -> int:
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(SOURCE), "log", "-1", "--format=%ct"]
    try:
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise CannotBuild(
            "cannot determine the date of the source: set SOURCE_DATE_EPOCH, or build in a clone"
        ) from error
