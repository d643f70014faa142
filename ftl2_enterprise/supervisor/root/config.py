"""The configuration of root: one JSON object in a memfd, which root keeps when it executes itself.

The names of the values are therefore read by other versions of the program.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CONTROL, WRITER, FORKSERVER, CHECK = "control", "writer", "forkserver", "check"
CORE = (FORKSERVER, WRITER, CONTROL)
"""Keys of the supervisor's own processes, in the order in which they are started."""

REQUIRED = ("forkserver", "control_socket", "writer_socket")
DEFAULTS: dict[str, object] = {
    "search_path": [],  # directories that contain the package and sdnotify
    "schema": "",  # of the database; a forkserver whose program needs another one forks nothing
    "arguments": {},  # of writer and control: the argument of the child, by key
    "logs": {},  # of writer and control: the file for their output, by key; root's output if there is none
    "control_mode": 0o666,  # access is checked for each verb, by the identity of the peer
    "heartbeat": 10.0,
    "hung_after": 60.0,
    "alive_within": 120.0,  # seconds within which control, having sent `alive` once, sends it again
    "drain_timeout": 60.0,
    "quit_timeout": 5.0,
    "end_timeout": 10.0,  # seconds for control and the writer to end when asked
    "patience": 5.0,  # seconds between requests for more time to stop; each asks for four times as much
    "fork_timeout": 30.0,
    "socket_check": 5.0,  # seconds between two checks that clients find the control socket
    "import_timeout": 120.0,
    "restart_delay": 0.1,
    "restart_cap": 5.0,
    "healthy_after": 1.0,  # seconds after which a core process that ended is restarted immediately
    "forkserver_limit": 5,  # consecutive failures after which the service gives up
    "own_limit": 10,
    "oom_score_adj": 200,  # of all other children, so that the kernel chooses them before the supervisor
    "cgroup": None,  # the delegated directory; None: find it, "": none
}


class Config:
    """The values. Only their presence is checked: the caller of `execute_root` has validated the settings."""

    forkserver: list[str]
    control_socket: str
    writer_socket: str
    search_path: list[str]
    schema: str
    arguments: dict[str, str]
    logs: dict[str, str]
    control_mode: int
    heartbeat: float
    hung_after: float
    alive_within: float
    drain_timeout: float
    quit_timeout: float
    end_timeout: float
    patience: float
    fork_timeout: float
    socket_check: float
    import_timeout: float
    restart_delay: float
    restart_cap: float
    healthy_after: float
    forkserver_limit: int
    own_limit: int
    oom_score_adj: int
    cgroup: str | None

    def __init__(self, given: Mapping[str, object]) -> None:
        unknown = set(given) - set(DEFAULTS) - set(REQUIRED)
        missing = set(REQUIRED) - set(given)
        if unknown or missing:
            raise ValueError(f"unknown: {sorted(unknown)}, missing: {sorted(missing)}")
        for name, value in (DEFAULTS | dict(given)).items():
            setattr(self, name, value)


def store(name: str, content: object) -> int:
    """Write the content as JSON into a memfd that an executed program inherits; returns its descriptor."""
    fd = os.memfd_create(name, 0)
    with os.fdopen(os.dup(fd), "w") as file:
        json.dump(content, file)
    return fd


def load(fd: int) -> dict[str, Any]:
    """Read what `store` wrote."""
    return json.loads(os.pread(fd, os.fstat(fd).st_size, 0))
