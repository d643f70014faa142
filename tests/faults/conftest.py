"""What tests of the writer and of full disks share."""

from __future__ import annotations

import pytest

from tests.support.data.new_database import new_database
from tests.support.processes.disk import mounted
from tests.support.service.ledger import enter
from tests.support.service.writing import writer_process


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path) as place:
        yield place


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "loops.db"
    new_database(path).close()
    return path


@pytest.fixture
def writer(tmp_path, database):
    with writer_process(tmp_path, database) as running:
        yield running
        # Whatever happened, it is the same process that still writes.
        link = running.link(patience=10)
        link.execute([enter.call("afterwards", 1)])
        link.close()
        assert running.process.poll() is None
