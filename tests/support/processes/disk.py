"""A file system that is soon full."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def mounted(directory: Path, *, megabytes: int = 2) -> Generator[Path]:
    """A file system of that size; the test is skipped where it cannot be mounted."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root to mount a small file system")
    place = directory / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("this machine does not allow mounting a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
