"""The standard streams of a program: closed streams, characters that cannot be encoded, closed pipes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.render.terminal import BROKEN_PIPE

if TYPE_CHECKING:
    from typing import TextIO


def replace_unknown_letters(stream: TextIO | None) -> None:
    """Print `?` for letters that the stream cannot encode, instead of failing."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def open_closed_errors() -> None:
    """Replace a closed standard error with /dev/null, so that writing to it cannot fail."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - it ends with the program


def reader_left() -> int:
    """After a BrokenPipeError: the exit status, with what is still buffered discarded.

    Without that, the interpreter reports the error once more when it flushes the streams at its end.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    return BROKEN_PIPE
