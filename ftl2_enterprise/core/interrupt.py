"""Ctrl-C while the program does nothing that would need a clean-up."""

from __future__ import annotations

import contextlib
import signal


class Fatal:
    """A context in which Ctrl-C ends the process by the signal instead of raising KeyboardInterrupt.

    The exception can be raised anywhere. Callbacks of the import system cannot propagate it, and libraries that probe
    for features catch everything: the interrupt would be lost, and the program would continue. Raised in the middle
    of an SQL statement, it leaves a connection that the next statement cannot use. Another handler of the signal is
    kept, and in other threads than the main one nothing changes.
    """

    def __init__(self) -> None:
        self._entered: bool = False

    def __enter__(self) -> None:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            with contextlib.suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                self._entered = True

    def __exit__(self, *_: object) -> None:
        if self._entered and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def is_cause_of(error: BaseException) -> bool:
    """Whether the error results from Ctrl-C: it was raised while KeyboardInterrupt propagated."""
    one: BaseException | None = error
    while one is not None:
        if isinstance(one, KeyboardInterrupt):
            return True
        one = one.__cause__ or one.__context__
    return False
