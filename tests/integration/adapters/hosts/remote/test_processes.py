"""What bounds a program on its host waits for it without work of its own."""

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
def test_a_program_in_flight_costs_nothing(how: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    # It was polled for fifty times a second.
    assert int(ran.stdout) < 20
