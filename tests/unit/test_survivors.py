"""Tests find the processes that they have started, and no others: what they find is killed."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.processes.survivors import alive, below, end, mark


@pytest.mark.parametrize("text", ["sleep 20", "sleep", "ftl_gate_", "3000.25"])
def test_a_text_without_a_mark_is_refused(text: str) -> None:
    with pytest.raises(AssertionError, match="processes of others"):
        alive(text)


def test_a_process_is_found_by_its_mark_until_it_ends() -> None:
    unique = mark()
    with subprocess.Popen(["sleep", unique]) as process, subprocess.Popen(["sleep", mark()]) as other:
        assert alive(unique) == alive(f"sleep {unique}") == [process.pid]
        end(alive(unique))
        process.wait(10)
        assert alive(unique) == []
        assert other.poll() is None
        other.kill()


def test_only_descendants_are_found_below_a_process() -> None:
    with subprocess.Popen(["sleep", "1000"]) as one, subprocess.Popen(["sleep", "1000"]) as another:
        assert below(one.pid, "sleep 1000") == [one.pid]
        assert {one.pid, another.pid} <= {*below(os.getpid(), "sleep 1000")}
        one.kill()
        another.kill()
