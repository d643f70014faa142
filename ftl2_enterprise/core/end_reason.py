"""Why a child process ended. Separate from `children`, so that front ends load it without the rest."""

from __future__ import annotations

from enum import StrEnum


class Why(StrEnum):
    """Why a child ended."""

    EXITED = "exited"
    """It exited, on its own or on request; its status has the details."""
    KILLED = "killed"
    """A signal killed it that the supervisor did not send."""
    HUNG = "hung"
    """It sent no heartbeat and was killed for that."""
    LATE = "late"
    """It was asked to end, did not end in time, and was killed."""
    NOT_STARTED = "not_started"
    """It could not be forked."""
    OUT_OF_MEMORY = "out_of_memory"
    """It reached the memory limit of its cgroup."""
