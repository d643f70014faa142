"""Limits of one rendering: the size of all that it produces, and its time.

A template may call itself, nest loops and multiply texts. Therefore every operation that produces a value charges its
size before it is made, or as soon as its size is known, and every pass of a loop charges a minimum. These charges are
deterministic; the time limit is for what takes time without producing anything, such as comparisons.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from jinja2.utils import Namespace

MAX_SIZE = 32 << 20
"""Characters and items that one rendering may produce, intermediate values included."""
MAX_SECONDS = 10.0
MAX_ITEMS = 1 << 18
"""Items of one value, at all depths."""
STEP = 64
"""What a pass of a loop or a call is charged, apart from its results."""
MAX_BITS = 1 << 16
"""Bits of a whole number."""


class LimitExceeded(Exception):
    """The rendering needs more than it may; the text is the reason, for people."""


class Meter:
    """What is left for one rendering."""

    __slots__ = ("_deadline", "_left")

    def __init__(self) -> None:
        self._left = MAX_SIZE
        self._deadline = time.monotonic() + MAX_SECONDS

    def charge(self, size: int) -> None:
        """Deduct the size. Raises LimitExceeded."""
        if size > 0:  # a template could pass a negative one
            self._left -= size
        if self._left < 0:
            raise LimitExceeded(f"it produces more than {MAX_SIZE >> 20} Mi characters")
        if time.monotonic() > self._deadline:
            raise LimitExceeded(f"it takes longer than {MAX_SECONDS:g} s")


_METER: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered() -> Generator[None]:
    """Limit what is compiled and rendered inside; a metered rendering within another one shares its limits."""
    if _METER.get() is not None:
        yield
        return
    token = _METER.set(Meter())
    try:
        yield
    finally:
        _METER.reset(token)


def charge(size: int) -> None:
    """Deduct the size from the current rendering. Raises LimitExceeded."""
    meter = _METER.get()
    if meter is not None:
        meter.charge(size)
    elif size > MAX_SIZE:
        raise LimitExceeded(f"it produces more than {MAX_SIZE >> 20} Mi characters")


def size_of(value: Any) -> int:
    """Characters or items of the value itself, without those of its items."""
    if isinstance(value, str | bytes | list | tuple | dict | set | frozenset):
        return len(cast("Any", value))
    return value.bit_length() >> 3 if isinstance(value, int) else 1


def weigh(value: Any, limit: int = MAX_SIZE) -> int:
    """Characters and items at all depths; what is contained twice counts twice, as when it becomes a text.

    Raises LimitExceeded, also for values that contain themselves.
    """
    if isinstance(value, str):
        items, total = 0, len(value)
        stack: list[Any] = []
    else:
        items, total, stack = 0, 0, [value]
    while stack and total <= limit and items <= MAX_ITEMS:
        item = stack.pop()
        items += 1
        total += size_of(item) + 1
        match item:
            case str() | int() | float() | None:
                pass
            case Namespace():
                stack.append(cast("Any", item)._Namespace__attrs)
            case Mapping():
                stack += cast("Mapping[Any, Any]", item).keys()
                stack += cast("Mapping[Any, Any]", item).values()
            case list() | tuple() | set() | frozenset():
                stack += cast("list[Any]", item)
            case _:
                pass
    if total > limit:
        raise LimitExceeded(f"a value in it has more than {limit} characters and items")
    if items > MAX_ITEMS:
        raise LimitExceeded(f"a value in it has more than {MAX_ITEMS} items")
    return total


def check_number_size(bits: int) -> None:
    """Raises LimitExceeded for a whole number of so many bits."""
    if bits > MAX_BITS:
        raise LimitExceeded(f"a number in it has more than {MAX_BITS} bits")
