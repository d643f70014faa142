"""Copies the manifest of the tour into a directory, where it may be changed."""

from __future__ import annotations

import shutil
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("manifest.yaml", "heartbeat.sh", "templates/service.conf.j2", "templates/logging.conf.j2")


def copy_tour(directory: Path) -> Path:
    """Copy the files into an existing directory; returns the manifest, which manages `host` next to it."""
    origin = resources.files(__package__)
    for name in FILES:
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with resources.as_file(origin / name) as source:
            shutil.copyfile(source, target)
    return directory / "manifest.yaml"
