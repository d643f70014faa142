"""Root's event loop: descriptors, timers and signals in one thread."""

from __future__ import annotations

import heapq
import os
import selectors
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    type Call = Callable[[], None]

LONGEST = 3600.0


class Timer:
    """Something to be called later."""

    __slots__ = ("call", "when")

    def __init__(self, when: float, call: Call) -> None:
        self.when = when
        self.call: Call | None = call

    def cancel(self) -> None:
        """Forget it."""
        self.call = None


class Loop:
    """Calls what is ready, one after the other."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._signals: dict[int, Call] = {}
        self._caught: set[int] = set()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._drain_wake)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def on_signal(self, number: int, call: Call) -> None:
        """Call it after the signal came, in its turn; signals that come together may be one call."""
        self._signals[number] = call
        signal.signal(number, lambda caught, _: self._caught.add(caught))

    def take_back(self, among: set[signal.Signals]) -> set[int]:
        """Those of the signals that came and whose calls have had no turn yet; now they will have none."""
        caught = self._caught & among
        self._caught -= caught
        return caught

    def watch(self, fd: int, call: Call) -> None:
        """Call it whenever the descriptor can be read."""
        self._selector.register(fd, selectors.EVENT_READ, call)

    def want_write(self, fd: int, call: Call, *, writing: bool) -> None:
        """Call it when the descriptor can be written too, or no longer."""
        self._selector.modify(fd, selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0), call)

    def unwatch(self, fd: int) -> None:
        """No longer."""
        self._selector.unregister(fd)

    def after(self, seconds: float, call: Call) -> Timer:
        """Call it once, that much later."""
        timer = Timer(time.monotonic() + seconds, call)
        self._count += 1
        heapq.heappush(self._timers, (timer.when, self._count, timer))
        return timer

    def turn(self) -> None:
        """Wait for something and do what is due."""
        for key, _ in self._selector.select(self._pause()):
            # An earlier call of the same turn may have closed it.
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
        return min(max(self._timers[0][0] - time.monotonic(), 0.0), LONGEST) if self._timers else LONGEST

    def _drain_wake(self) -> None:
        try:
            while os.read(self._wake_read, 4096):
                pass
        except BlockingIOError:
            pass
