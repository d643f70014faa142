"""A loop in its own cgroup."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import survivors
from tests.support.processes.fence_target import CGROUP_OF_A_TEST
from tests.support.service.root_service import service
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

MOUNTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


@pytest.fixture
def base() -> Iterator[Path]:
    """An empty cgroup, where this machine lets one be made."""
    for mount in MOUNTS:
        path = mount / f"{CGROUP_OF_A_TEST}{os.getpid()}"
        try:
            path.mkdir()
        except OSError:
            continue
        if (path / "cgroup.procs").exists():
            break
    else:
        pytest.skip("no cgroup can be made here")
    yield path
    for child in path.iterdir():
        if child.is_dir():
            child.rmdir()
    path.rmdir()


def test_a_loop_has_its_own_cgroup_while_it_lives(base: Path, tmp_path: Path):
    with service(tmp_path, cgroup=str(base)) as made:
        made.up()
        mark = survivors.mark()
        pid = made.start_loop(17, f"family={mark}", cgroup={"pids": 100})
        until(lambda: len(survivors.alive(mark)) >= 3)
        members = {int(line) for line in (base / "loop-17" / "cgroup.procs").read_text().split()}
        assert pid in members
        assert len(members) >= 4
        free = made.start_loop(18, cgroup=None)
        assert free not in members
        assert not (base / "loop-18").exists()
        made.send("stop", key="loop:17", urgency="kill", within=0)
        made.reported("ended", "loop:17")
        assert survivors.alive(mark) == []
        assert not (base / "loop-17").exists()


def test_a_loop_that_the_kernel_killed_for_its_memory_is_reported_as_that(tmp_path: Path):
    base = tmp_path / "group"
    base.mkdir()
    with service(tmp_path, cgroup=str(base)) as made:
        made.up()
        pid = made.start_loop(1, cgroup={"memory": "10M"})
        # What the kernel counts there when it does so.
        (base / "loop-1" / "memory.events").write_text("oom 1\noom_kill 1\n")
        os.kill(pid, signal.SIGKILL)
        assert made.reported("ended", "loop:1")["why"] == "out_of_memory"


def test_a_limit_that_cannot_be_read_keeps_the_loop_from_starting(tmp_path: Path):
    base = tmp_path / "group"
    base.mkdir()
    with service(tmp_path, cgroup=str(base)) as made:
        made.up()
        made.send("start", key="loop:1", argument="", cgroup={"memory": "much"})
        ended = made.reported("ended", "loop:1")
        assert ended["why"] == "not_started"
        assert "cannot create its cgroup" in ended["text"]


def test_without_a_delegated_cgroup_loops_run_without_limits(tmp_path: Path):
    with service(tmp_path, cgroup=None) as made:
        made.up()
        made.start_loop(1, cgroup={"memory": "10M"})
        assert made.errors().count("processes cannot get a cgroup") <= 1
