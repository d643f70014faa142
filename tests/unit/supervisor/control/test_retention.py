"""A round of retention goes through every range of ids, and survives a failure."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.core.problem import unavailable
from ftl2_enterprise.supervisor.control import retention
from ftl2_enterprise.supervisor.control.retention import Retention, Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RANGES = {0: (["a", "b"], 100), 100: ([], 200), 200: (["c"], None)}
"""By the id after which a range begins: the units of work of its removal, and where the next one begins."""


class RecordingWriter:
    """Executes nothing; the first `failures` calls fail."""

    def __init__(self, failures: int = 0) -> None:
        self.executed: list[str] = []
        self.failures = failures

    async def execute(self, calls: Sequence[Any]) -> int:
        if self.failures:
            self.failures -= 1
            raise unavailable("cannot write the database: the writer does not answer")
        self.executed += calls
        return 10


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE", 0.0)
    monkeypatch.setattr(retention, "SHORTEST", 0.0)


def rows(kept: Callable[[], float] = lambda: 0.001) -> Retention:
    def stretch(after: int) -> Stretch:
        calls, following = RANGES[after]
        return Stretch(calls=calls, next=following)

    return Retention(kept=kept, what="rows", stretch=stretch)


async def run_until(condition: Callable[[], bool], writer: RecordingWriter, what: Retention) -> None:
    task = asyncio.ensure_future(retention.remove_old(what, writer))  # pyright: ignore[reportArgumentType]
    async with asyncio.timeout(10):
        while not condition() and not task.done():
            await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_round_goes_through_every_range_in_order() -> None:
    writer = RecordingWriter()
    await run_until(lambda: len(writer.executed) >= 6, writer, rows())
    assert writer.executed[:6] == ["a", "b", "c", "a", "b", "c"]


async def test_a_round_that_fails_is_repeated(caplog: pytest.LogCaptureFixture) -> None:
    writer = RecordingWriter(failures=2)
    await run_until(lambda: len(writer.executed) >= 3, writer, rows())
    assert writer.executed[:3] == ["a", "b", "c"]
    assert caplog.text.count("rows are kept for longer: cannot write the database") == 2


async def test_a_round_ends_when_rows_are_to_be_kept_indefinitely() -> None:
    asked: list[float] = []

    def kept() -> float:
        # Before the round, then before each range.
        asked.append(0.001 if len(asked) < 2 else 0.0)
        return asked[-1]

    writer = RecordingWriter()
    await run_until(lambda: len(asked) >= 3, writer, rows(kept))
    assert writer.executed == ["a", "b"]
