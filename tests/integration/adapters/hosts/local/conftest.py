"""Modules of FTL2 that are performed on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from ftl2_enterprise.adapters.hosts.ftl2_modules import Ftl2Modules
from tests.support.loops.local_calls import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest_asyncio.fixture
async def modules(tmp_path: Path) -> AsyncIterator[Ftl2Modules]:
    made = Ftl2Modules(None, work_dir=tmp_path / "work", redact=lambda text: text, capture_limit=MIB)
    yield made
    await made.close()
