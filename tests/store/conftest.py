from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.data.database import Ticks
from tests.support.data.new_database import new_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl2_enterprise.store.database import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "loops.db"


@pytest.fixture
def db(path: Path) -> Iterator[Store]:
    opened = new_database(path, clock=Ticks(), busy_timeout=0.2)
    yield opened
    opened.close()
