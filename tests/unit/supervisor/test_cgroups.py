"""Cgroups on a directory that looks like one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ftl2_enterprise.supervisor import cgroups

FILES = ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max", "cgroup.procs", "cgroup.kill")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemd delegates: the service's own cgroup, in whose `main` this process is."""
    delegated = tmp_path / "system.slice" / "ftl2-enterprise.service"
    (delegated / "main").mkdir(parents=True)
    (delegated / "cgroup.controllers").write_text("cpu io memory pids\n")
    (delegated / "cgroup.subtree_control").write_text("")
    (delegated / "main" / "cgroup.procs").write_text("")
    monkeypatch.setattr(cgroups, "_own", lambda: str(delegated / "main"))
    return delegated


def delegate(path: Path) -> None:
    try:
        os.setxattr(path, "user.delegate", b"1")
    except OSError:
        pytest.skip("this file system has no extended attributes")


def test_the_delegated_cgroup_is_found_above_the_own_one(service: Path, monkeypatch: pytest.MonkeyPatch):
    delegate(service)
    written: list[str] = []
    monkeypatch.setattr(cgroups, "_write", lambda path, text: written.append(f"{Path(path).name} {text}"))
    assert cgroups.find_delegated() == str(service)
    assert written == [f"cgroup.subtree_control +{name}" for name in ("memory", "pids", "cpu")]


def test_without_a_subgroup_this_process_moves_into_one(service: Path, monkeypatch: pytest.MonkeyPatch):
    delegate(service)
    monkeypatch.setattr(cgroups, "_own", lambda: str(service))
    assert cgroups.find_delegated() == str(service)
    assert (service / "main" / "cgroup.procs").read_text() == "0"


def test_a_cgroup_that_is_not_delegated_is_left_alone_and_reported_once(
    service: Path, capfd: pytest.CaptureFixture[str]
):
    assert cgroups.find_delegated() is None
    assert (service / "cgroup.subtree_control").read_text() == ""
    assert capfd.readouterr().err.count("cannot get a cgroup") == 1


def test_limits_that_cannot_be_set_are_reported_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    for number in range(3):
        path = cgroups.make(str(tmp_path), f"loop:{number}", {"pids": 5, "memory": "1M"})
        assert path == str(tmp_path / f"loop-{number}")
    assert capfd.readouterr().err.count("cannot limit") == 2


def test_running_out_of_memory_is_detected(tmp_path: Path):
    events = tmp_path / "memory.events"
    assert not cgroups.ran_out_of_memory(str(tmp_path))
    events.write_text("low 0\nhigh 3\nmax 9\noom 1\noom_kill 0\n")
    assert not cgroups.ran_out_of_memory(str(tmp_path))
    events.write_text("low 0\nhigh 3\nmax 9\noom 1\noom_kill 2\n")
    assert cgroups.ran_out_of_memory(str(tmp_path))
