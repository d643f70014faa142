"""Keeps the memory of a process shared with the children that are forked from it.

A child shares every page with its parent until one of them writes to it. CPython writes even to objects that are only
read, because it counts references. And the interpreter and the C library put what a child allocates into holes that
are spread over old pages, each of which is copied then. This module saves 11 of 16 MB for a child that works briefly,
and its process begins and ends sooner.

A step is skipped if the interpreter or the C library is not the one that it is written for.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import sysconfig
from collections import deque
from itertools import repeat
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

IMMORTAL = 0xFFFF_FFFF
"""The reference count of an immortal object (PEP 683), in the lower half of its first word."""
SIZES = (*range(4096, 1024, -64), *range(1024, 16, -16))
"""Sizes in bytes of the holes that are filled."""
POOL = 1 << 14
"""Bytes of a pool, which holds small objects of one size (Include/internal/pycore_obmalloc.h)."""
POOL_HEADER = 48
SMALL = range(48, 513, 16)
"""Sizes in bytes of small objects, beginning with the smallest `bytes`."""
HUGE_PAGE = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
MAPS = Path("/proc/self/maps")
COLLAPSE = 25
"""MADV_COLLAPSE (madvise(2), Linux 6.1)."""
_MOST = 200_000
"""Allocations after which it ends in any case, as a protection against an allocator that behaves otherwise."""


class _Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]  # fmt: skip


def keep_shared() -> None:
    """Execute all steps. Call this when everything is loaded that children share; what exists now is never freed."""
    gc.collect()
    if is_counting_known():
        stop_counting()
    fill_pools()
    fill_holes()
    use_huge_pages()


def is_counting_known() -> bool:
    """Whether the interpreter counts references as this module expects."""
    return (
        sys.implementation.name == "cpython"
        and sys.version_info[:2] == (3, 13)
        and sys.maxsize > 2**32
        and sys.byteorder == "little"
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
        and not sysconfig.get_config_var("Py_DEBUG")
        # The first word of an object is its count: a new object must show its references.
        and ctypes.c_uint32.from_address(id(two := object())).value == sys.getrefcount(two) - 1
    )


def stop_counting() -> int:
    """Make every object immortal that the collector knows or that one of those refers to; returns the writes.

    An object is written to once for each reference to it, because it would take longer to skip the known ones.
    """
    known = gc.get_objects()
    referred = gc.get_referents(*known)
    # One view of all memory as counts: a ctypes object for each of half a million objects takes a third of a second.
    counts = memoryview((ctypes.c_uint32 * (1 << 45)).from_address(0)).cast("B").cast("I")
    written = 0
    for objects in (known, referred, _parts_of_code(referred)):
        places = map(int.__rshift__, map(id, objects), repeat(2))
        deque(map(counts.__setitem__, places, repeat(IMMORTAL)), maxlen=0)
        written += len(objects)
    return written


_filling: list[bytes] = []


def fill_pools() -> int:
    """Allocate small objects of each size until they come from fresh pools; returns how many."""
    before = len(_filling)
    for size in SMALL:
        in_a_row, last = 0, 0
        for _ in range(_MOST):
            one = bytes(size - sys.getsizeof(b""))
            _filling.append(one)
            # Free places of a used pool are anywhere in it; a fresh pool is filled from its beginning to its end.
            in_a_row = in_a_row + 1 if id(one) == last + size else 1
            last = id(one)
            if in_a_row >= (POOL - POOL_HEADER) // size - 1:
                break
    return len(_filling) - before


def fill_holes() -> int:
    """Allocate the holes of the heap, so that children begin on fresh pages; returns the allocations."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        return 0
    libc.mallinfo2.restype = _Mallinfo
    libc.malloc.restype = ctypes.c_void_p
    count = 0
    for size in SIZES:
        end = libc.mallinfo2().keepcost
        # As soon as an allocation comes from the end of the heap, there is no hole of this size left.
        while libc.mallinfo2().keepcost == end and count < _MOST:
            libc.malloc(ctypes.c_size_t(size - 8))
            count += 1
    return count


def use_huge_pages() -> int:
    """Ask the kernel to use huge pages for the allocated memory; returns the bytes for which it did.

    A fork copies the page table, and the exit of a child walks through its own. With fewer entries both take less
    time. A child that writes still copies a small page only.
    """
    libc = ctypes.CDLL(None)
    count = 0
    try:
        size = int(HUGE_PAGE.read_text())
        maps = MAPS.read_text().splitlines()
    except (OSError, ValueError):
        return 0
    for line in maps:
        where, access, *rest = line.split()
        if access == "rw-p" and rest[3:] in ([], ["[heap]"]):
            begin, end = (int(word, 16) for word in where.split("-"))
            begin, end = -(-begin // size) * size, end // size * size
            # It fails if the kernel is too old, or has no free memory of that size.
            if begin < end and libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), COLLAPSE) == 0:
                count += end - begin
    return count


def _parts_of_code(objects: Iterable[object]) -> list[object]:
    """The objects that code objects refer to: the collector does not know them."""
    found: list[object] = []
    seen: set[int] = set()
    left = [one for one in objects if type(one) is CodeType]
    while left:
        code = left.pop()
        if id(code) in seen:
            continue
        seen.add(id(code))
        found += (code.co_consts, code.co_exceptiontable, code.co_linetable, code.co_qualname, code.co_name)
        found += code.co_consts
        left += (one for one in code.co_consts if type(one) is CodeType)
    return found
