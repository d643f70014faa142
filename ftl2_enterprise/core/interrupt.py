"""Ctrl-C while nothing is under way that would have to be tidied up."""

from __future__ import annotations

import contextlib
import signal


class Fatal:
    """While it is entered Ctrl-C ends the process by the signal, where it would raise KeyboardInterrupt.

    An exception may come anywhere. The import system has callbacks out of which nothing can be raised, and libraries
    catch whatever is raised while they try what there is: the interrupt would be lost, and the program would run on.
    In the middle of a statement it leaves a connection that the next statement finds unusable. Who has another way
    with Ctrl-C, or is not the main thread, keeps it.
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
    """Whether Ctrl-C is what the error comes from: it was raised while the interrupt was on its way out."""
    one: BaseException | None = error
    while one is not None:
        if isinstance(one, KeyboardInterrupt):
            return True
        one = one.__cause__ or one.__context__
    return False
