"""The event loop of root: descriptors, timers and signals in one thread."""

from __future__ import annotations

import heapq
import os
import selectors
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    type Callback = Callable[[], None]

LONGEST_WAIT = 3600.0
"""Seconds."""


class Timer:
    """A call that is due at a time of the monotonic clock."""

    __slots__ = ("call", "when")

    def __init__(self, when: float, call: Callback) -> None:
        self.when = when
        self.call: Callback | None = call

    def cancel(self) -> None:
        """Do not call; the event loop discards the timer when its time has come."""
        self.call = None


class EventLoop:
    """Executes callbacks one after the other. None of them may block."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._signals: dict[int, Callback] = {}
        self._caught: set[int] = set()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._drain_wake)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def catch(self, numbers: Iterable[int]) -> None:
        """Record these signals from now on; `turn` executes what `on_signal` sets for them."""
        for number in numbers:
            signal.signal(number, lambda caught, _: self._caught.add(caught))

    def on_signal(self, number: int, call: Callback) -> None:
        """Set the callback of a signal. Signals that arrive together may be merged into one call."""
        self._signals[number] = call

    def take_back(self, among: set[signal.Signals]) -> set[int]:
        """Return those of the signals that arrived and whose callbacks have not been executed, and discard them."""
        caught = self._caught & among
        self._caught -= caught
        return caught

    def watch(self, fd: int, call: Callback) -> None:
        """Execute the callback whenever the descriptor is readable."""
        self._selector.register(fd, selectors.EVENT_READ, call)

    def set_writing(self, fd: int, call: Callback, *, writing: bool) -> None:
        """Also execute the callback when the watched descriptor is writable, or stop doing so."""
        self._selector.modify(fd, selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0), call)

    def unwatch(self, fd: int) -> None:
        """Stop watching the descriptor; call this before it is closed."""
        self._selector.unregister(fd)

    def after(self, seconds: float, call: Callback) -> Timer:
        """Execute the callback once, after that many seconds."""
        timer = Timer(time.monotonic() + seconds, call)
        self._count += 1
        heapq.heappush(self._timers, (timer.when, self._count, timer))
        return timer

    def turn(self) -> None:
        """Wait for an event, then execute the callbacks of descriptors, signals and timers, in that order."""
        for key, _ in self._selector.select(self._pause()):
            # An earlier callback of the same turn may have closed it.
            if current := self._selector.get_map().get(key.fd):
                current.data()
        while self._caught:
            self._signals[self._caught.pop()]()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            call = heapq.heappop(self._timers)[2].call
            if call is not None:
                call()

    def _pause(self) -> float:
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        if self._caught:
            return 0.0
        return min(max(self._timers[0][0] - time.monotonic(), 0.0), LONGEST_WAIT) if self._timers else LONGEST_WAIT

    def _drain_wake(self) -> None:
        try:
            while os.read(self._wake_read, 4096):
                pass
        except BlockingIOError:
            pass
