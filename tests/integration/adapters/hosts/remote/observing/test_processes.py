"""Processes: one that this test starts is found, and is as it was."""

from __future__ import annotations

import getpass
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "987654.25"])
    yield process
    process.kill()
    process.wait()


def test_a_process_by_name_pattern_and_user(sleeper: subprocess.Popen[bytes]) -> None:
    for given in ({"name": "sleep"}, {"pattern": "sleep 987654.2?"}, {"name": "sleep", "user": getpass.getuser()}):
        found = observe("processes", dict(given))
        (row,) = [one for one in found["processes"] if one["pid"] == sleeper.pid]
        assert (row["parent"], row["command"], row["user"]) == (os.getpid(), "sleep 987654.25", getpass.getuser())
        assert row["memory"] > 0
        assert row["started"].endswith("Z")
    assert sleeper.poll() is None


def test_no_process_matches() -> None:
    assert observe("processes", {"name": "no-such-program"}) == {"changed": False, "count": 0, "processes": []}


def test_rows_are_limited_and_counted() -> None:
    found = observe("processes", {"limit": 1})
    assert len(found["processes"]) == 1
    assert found["count"] > 1
