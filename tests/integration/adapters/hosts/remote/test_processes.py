"""What bounds a program on its host waits for it without polling."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from ftl2_enterprise.adapters.hosts.remote import processes

def wakes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw

argv = ["sh", "-c", "exec >&- 2>&-; sleep 1.2"] if sys.argv[1] == "silent" else ["sleep", "1.2"]
before = wakes()
ended = processes.run(processes.executing(argv), timeout=30.0, limit=1000)
assert (ended.rc, ended.timed_out) == (0, False)
print(wakes() - before)
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the end of a program is polled for without a pidfd")
@pytest.mark.parametrize("how", ["silent", "as usual"])
def test_a_running_program_needs_no_processor_time(how: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    # It was polled for fifty times a second.
    assert int(ran.stdout) < 20


ADOPTION = """
import os
from ftl2_enterprise.adapters.hosts.remote import processes

def adopts():
    "Whether an orphan of a child of this process becomes a child of this process."
    read, write = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            between = os.getppid()
            os.kill(between, 9)
            while os.getppid() == between:
                pass
            os.write(write, str(os.getppid()).encode())
        else:
            while True:
                pass
        os._exit(0)
    return int(os.read(read, 20)) == os.getpid()

assert not adopts()
assert processes.adopt_orphans() and processes.adopt_orphans()
assert adopts()
pid = os.fork()
if pid == 0:
    first = adopts()
    processes.adopt_orphans()
    os._exit(10 * first + adopts())
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_forked_process_adopts_orphans_only_after_its_own_request() -> None:
    ran = subprocess.run([sys.executable, "-c", ADOPTION], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.stderr) == ("1\n", "")
