"""A process is known by more than its pid."""

from __future__ import annotations

import os
import subprocess
import sys

from ftl2_enterprise.core import process_identity


def test_this_process_is_alive_under_its_own_name():
    me = process_identity.current()
    assert process_identity.is_alive(me)
    assert process_identity.pid_of(me) == os.getpid()


def test_a_later_process_with_the_same_pid_is_not_the_owner():
    boot, pid, start = process_identity.current().split(":")
    assert not process_identity.is_alive(f"{boot}:{pid}:{int(start) - 1}")


def test_nothing_from_before_the_boot_is_alive():
    _, pid, start = process_identity.current().split(":")
    assert not process_identity.is_alive(f"00000000-0000-0000-0000-000000000000:{pid}:{start}")


def test_an_ended_process_is_not_alive_even_before_it_is_reaped():
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from ftl2_enterprise.core import process_identity; print(process_identity.current(), flush=True)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    name = child.stdout.readline().strip()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process_identity.is_alive(name)
    child.communicate()


def test_whatever_a_process_calls_itself_it_can_be_asked_after():
    code = """
import sys
from ftl2_enterprise.core import process_identity
with open("/proc/self/comm", "wb") as file:
    file.write(b") \\xff\\n")
print(process_identity.current(), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        assert process_identity.is_alive(name)
        child.communicate()
