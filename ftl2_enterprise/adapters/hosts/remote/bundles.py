"""Keeps unpacked modules with their libraries, so that Python's compiled files are kept too."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def place(parent: Path, digest: str, data: bytes | None) -> Path | None:
    """The folder of the bundle, which Python can run; None when it is not there and no data was given."""
    folder = parent / digest
    if folder.is_dir():
        return folder
    if data is None:
        return None
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = tempfile.mkdtemp(dir=parent)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(fresh)
    try:
        (parent / fresh).rename(folder)
    except OSError:  # another call was quicker
        shutil.rmtree(fresh)
    return folder
