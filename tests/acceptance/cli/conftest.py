"""`ftl2-enterprise` with a directory and database for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes.command import Command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)
