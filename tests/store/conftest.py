from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.wiring.database import open_database
from tests.support.data.database import Ticks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl2_enterprise.store.database import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "loops.db"


@pytest.fixture
def db(path: Path) -> Iterator[Store]:
    opened = open_database(path, create=True, clock=Ticks(), busy_timeout=0.2)
    yield opened
    opened.close()
