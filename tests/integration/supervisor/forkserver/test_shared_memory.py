"""What is forked from a process that has made its memory ready shares it, and works."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

from ftl2_enterprise.supervisor.forkserver import shared_memory

PROGRAM = """
import gc, json, os, sys
import asyncio, decimal, email.message, http.client, xml.dom.minidom, unittest.mock  # something to share
from ftl2_enterprise.supervisor.forkserver import shared_memory

def private():
    with open("/proc/self/smaps_rollup") as file:
        lines = [line.split() for line in file]
    return sum(int(line[1]) for line in lines if line[0] in ("Private_Clean:", "Private_Dirty:"))

def work():
    # Visits every object and keeps nothing; then does what programs do.
    for one in gc.get_objects():
        type(one)
    for module in list(sys.modules.values()):
        vars(module).values().__len__()
        [value for value in vars(module).values()]
    made = [{"n": n, "text": str(n)} for n in range(1000)]
    made[0]["cycle"] = made
    async def main():
        await asyncio.sleep(0)
        return sum(entry["n"] for entry in made)
    assert asyncio.run(main()) == 499500
    assert decimal.Decimal("0.1") * 3 == decimal.Decimal("0.3")
    assert json.loads(json.dumps({"a": [1, None, True]})) == {"a": [1, None, True]}
    del made
    assert gc.collect() > 0

work()
if sys.argv[1] == "ready":
    assert shared_memory.is_counting_known()
    shared_memory.keep_shared()
    assert sys.getrefcount(json) > 2**31
gc.collect()
gc.freeze()
read, write = os.pipe()
if os.fork() == 0:
    before = private()
    work()
    os.write(write, str(private() - before).encode())
    os._exit(0)
_, status = os.wait()
assert status == 0
print(json.dumps(int(os.read(read, 32))))
"""


def copied(how: str) -> int:
    """Kilobytes that a child has copied by its work."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_child_copies_much_less() -> None:
    assert copied("ready") < 0.7 * copied("as it is")


HUGE = """
import os, sys
from ftl2_enterprise.supervisor.forkserver import shared_memory
kept = [bytes(1000) for _ in range(8000)]
count = shared_memory.use_huge_pages()
assert all(one == bytes(1000) for one in kept)
with open("/proc/self/smaps_rollup") as file:
    huge = sum(1024 * int(line.split()[1]) for line in file if line.startswith("AnonHugePages:"))
assert huge >= count, (huge, count)
read, write = os.pipe()
if os.fork() == 0:
    # What is written to is copied for the child alone.
    kept[0] = b"own"
    os.write(write, kept[0])
    os._exit(0)
os.wait()
assert (os.read(read, 8), kept[0]) == (b"own", bytes(1000))
print(count)
"""


def test_shared_memory_is_in_huge_pages_if_the_kernel_supports_them() -> None:
    ran = subprocess.run([sys.executable, "-c", HUGE], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    release = tuple(int(word) for word in platform.release().split(".")[:2])
    if release < (6, 1) or not shared_memory.HUGE_PAGE.exists():
        pytest.skip("the kernel cannot put pages together when it is asked to (Linux 6.1)")
    assert int(ran.stdout) > 0
