"""An SSH server and a working directory, which the tests of a module share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes import gates, sshd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a gate."""
    return gates.build(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    yield from sshd.running_or_skipped(tmp_path_factory)
