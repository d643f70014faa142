"""The desired state on a command line: a sentence, or a file."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid, not_found
from ftl2_enterprise.protocol.loops.nouns import Mode

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import LoopSpec

MODES = (Mode.SINGLE, Mode.CONTINUOUS)
"""Modes that can be requested."""
MANIFESTS = (".yaml", ".yml")
"""Endings of the file names of manifests."""
DECIDERS = ("auto", "manifest", "claude", "rules")


def read_desired_state(text: str | None, path: str | None) -> tuple[str, str | None]:
    """The desired state, and the absolute path of its file if it came from one; `-` is standard input.

    Raises Problem when none or two are given, or when the file cannot be read.
    """
    if (text is None) == (path is None):
        why = "none was given" if text is None else "two were given, as an argument and with -f"
        raise invalid(f"cannot take a desired state: {why}", "give a sentence, or a manifest with -f FILE")
    if text is not None and len(text.split()) == 1 and text.endswith(MANIFESTS):
        # A single word with the ending of a manifest's name is never meant as a sentence.
        text, path = None, text
    if path is not None:
        text = _read(path)
    if text is None or not text.strip():
        raise invalid("cannot take an empty desired state", "describe the desired state")
    return text, None if path is None else os.path.abspath(path)  # noqa: PTH100 - pathlib costs a client too much


def _read(path: str) -> str:
    if path == "-":
        return _standard_input()
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return file.read()
    except UnicodeDecodeError as error:
        raise invalid(f"cannot read {path}: it is not UTF-8 text") from error
    except FileNotFoundError as error:
        raise not_found(f"cannot read {path}: there is no such file") from error
    except OSError as error:
        raise invalid(f"cannot read {path}: {(error.strerror or 'failed').lower()}") from error


def _standard_input() -> str:
    # A program may be started with its streams closed.
    if sys.stdin is None:
        raise invalid("cannot read standard input: it is closed", "give a file with -f FILE")
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise invalid("cannot read standard input: it is not UTF-8 text") from error
    except OSError as error:
        raise invalid(f"cannot read standard input: {(error.strerror or 'failed').lower()}") from error


def check_interval(mode: Mode, interval: float | None) -> None:
    """Raises Problem(invalid) for an interval that would have no effect."""
    if interval is not None and mode is not Mode.CONTINUOUS:
        raise invalid("cannot use --interval: the loop runs once", "add --mode continuous")


def check_ask_delay(spec: LoopSpec) -> None:
    """Raises Problem(invalid) for a loop that would have no iteration after the answer, so that it never asks."""
    if spec.max_ask_delay and spec.max_iterations == 1 and spec.mode is not Mode.CONTINUOUS:
        raise invalid(
            "cannot use --max-ask-delay: the loop has one iteration, so none is left after an answer",
            "give --max-iterations 2 or more",
        )
