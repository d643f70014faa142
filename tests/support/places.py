"""Where the repository is, for tests that run or read files of it."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
