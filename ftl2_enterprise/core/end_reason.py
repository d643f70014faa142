"""Why a child process ended. Apart from `children`, because front ends read it in facts and load little."""

from __future__ import annotations

from enum import StrEnum


class Why(StrEnum):
    """Why a child ended."""

    EXITED = "exited"
    """By itself, or because it was asked to; its status says more."""
    KILLED = "killed"
    """By a signal that the supervisor did not send."""
    HUNG = "hung"
    """It gave no sign of life and was killed for that."""
    LATE = "late"
    """It was asked to end, did not, and was killed."""
    NOT_STARTED = "not_started"
    """It could not be forked."""
    OUT_OF_MEMORY = "out_of_memory"
    """It reached the memory limit of its cgroup."""
