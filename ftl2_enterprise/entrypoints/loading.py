"""How the commands load: in the least time, and without a traceback when Ctrl-C comes meanwhile."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from ftl2_enterprise.core import interrupt

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130
"""The shell's word for a program that Ctrl-C ended."""


def main_of(load: Callable[[], Callable[[], int]]) -> int:
    """Import the program, run it, and return its exit status.

    Ctrl-C never leads to a traceback.
    """
    # Hardly anything of what is imported is garbage: to look for some, then and at the end, takes a seventh of the
    # time of a short command.
    gc.disable()
    try:
        with interrupt.Fatal():
            main = load()
        gc.freeze()
        gc.enable()
        return main()
    except KeyboardInterrupt:
        return INTERRUPTED
