"""A lock that stays with a process over exec, passes to no child, and ends with the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ftl2_enterprise.core import lockfile

HOLDER = """
import os, sys
from ftl2_enterprise.core import lockfile
assert lockfile.hold(sys.argv[1]) is not None
if "again" in sys.argv:
    os.execv(sys.executable, [sys.executable, "-c", "print('held', flush=True); input()"])
if os.fork() == 0:
    # A child that outlives the service, with every descriptor of it.
    print(os.getpid(), flush=True)
    input()
    os._exit(0)
os.kill(os.getpid(), 9)
"""


def _started(lock: Path, *words: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", HOLDER, str(lock), *words]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_the_lock_survives_exec_and_names_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "db.service"
    with _started(lock, "again") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert lockfile.holder(str(lock)) == process.pid
        assert lockfile.hold(str(lock)) is None
        process.communicate("\n")
    assert lockfile.holder(str(lock)) is None
    descriptor = lockfile.hold(str(lock))
    assert descriptor is not None
    os.close(descriptor)


def test_a_surviving_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "db.service"
    with _started(lock) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.wait()
        assert Path(f"/proc/{child}").exists()
        descriptor = lockfile.hold(str(lock))
        assert descriptor is not None
        os.close(descriptor)
        process.communicate("\n")


def test_without_a_file_there_is_no_holder(tmp_path: Path) -> None:
    assert lockfile.holder(str(tmp_path / "absent")) is None
