"""What root kills of a tree, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.supervisor.root import process_tree
from tests.support.service.root_service import is_alive
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

FAMILY = "sh -c 'sleep 600 & echo $!; wait' & echo $!; sleep 600 & echo $!; wait"
"""Prints a grandchild and its parent in either order, and the other child."""


@pytest.fixture
def family() -> Iterator[tuple[int, list[int]]]:
    """A process, and the three below it."""
    with subprocess.Popen(["sh", "-c", FAMILY], stdout=subprocess.PIPE, text=True) as made:
        assert made.stdout is not None
        below = [int(made.stdout.readline()) for _ in range(3)]
        yield made.pid, below
        process_tree.kill({made.pid, *below})


def test_a_tree_is_killed_whole(family: tuple[int, list[int]]) -> None:
    pid, below = family
    process_tree.kill({pid})
    until(lambda: not any(map(is_alive, [pid, *below])))


def test_known_processes_and_their_descendants_are_not_killed(family: tuple[int, list[int]]) -> None:
    pid, below = family
    (known,) = (one for one in below if process_tree.children_of(one))
    (grandchild,) = process_tree.children_of(known)
    (other,) = set(below) - {known, grandchild}
    process_tree.kill({pid}, without={known})
    until(lambda: not is_alive(pid) and not is_alive(other))
    assert is_alive(known)
    assert is_alive(grandchild)


UNREAPED = """
import os
from ftl2_enterprise.supervisor.root import process_tree

if os.geteuid() == 0:
    os.setuid(65534)
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(process_tree.is_left_on_purpose(pid))
"""


def test_an_ended_process_that_is_not_reaped_was_not_left_on_purpose() -> None:
    """Its files in /proc belong to the superuser, so another user may not read them."""
    ran = subprocess.run([sys.executable, "-c", UNREAPED], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.stderr) == ("False\n", "")
