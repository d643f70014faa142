"""How the commands load: in the least time, and without a traceback when Ctrl-C comes meanwhile."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130
"""The shell's word for a program that Ctrl-C ended."""


def main_of(load: Callable[[], Callable[[], int]]) -> int:
    """Import the program, run it, and return its exit status.

    Until it is imported Ctrl-C ends the process, without a traceback. The interpreter's own way, an exception, would
    be lost where the import system cannot raise one, and the program would run on.
    """
    # Hardly anything of what is imported is garbage: to look for some, then and at the end, takes a seventh of the
    # time of a short command.
    gc.disable()
    # Whoever started it may have said that it is not to be interrupted at all.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    try:
        if interruptible:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        main = load()
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        gc.freeze()
        gc.enable()
        return main()
    except KeyboardInterrupt:
        return INTERRUPTED
