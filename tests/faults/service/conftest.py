"""A service that runs, and that must end cleanly after the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes.process_marks import none_left
from tests.support.service.daemon import Daemon, daemon

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Daemon]:
    with daemon(tmp_path, supervisor="drain_timeout = 5.0") as made:
        made.start()
        yield made
        assert made.stop() == 0
        assert none_left(made.run, seconds=5)
