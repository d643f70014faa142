"""What root is told when it is started: one JSON object in a memfd, so that it is the same over an exec in place."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CONTROL, WRITER, FORKSERVER, CHECK = "control", "writer", "forkserver", "check"
OWN = (FORKSERVER, WRITER, CONTROL)

REQUIRED = ("forkserver", "control_socket", "writer_socket")
DEFAULTS: dict[str, object] = {
    "search_path": [],  # directories where the package and sdnotify are
    "arguments": {},  # of writer and control: what a child of that key is given
    "logs": {},  # of writer and control: where their output goes, if not where root's goes
    "control_mode": 0o666,  # access is settled for each verb by who the peer is
    "heartbeat": 10.0,
    "hung_after": 60.0,
    "alive_within": 120.0,  # control that has said it is alive says it again within this
    "drain_timeout": 60.0,
    "quit_timeout": 5.0,
    "end_timeout": 10.0,  # for control and the writer to end when asked
    "patience": 5.0,  # how often more time is asked for while it ends; each time four times as much
    "fork_timeout": 30.0,
    "socket_look": 5.0,  # between looks whether clients find the control socket
    "import_timeout": 120.0,
    "restart_delay": 0.1,
    "restart_cap": 5.0,
    "healthy_after": 1.0,  # one of them that ran this long is started again at once
    "forkserver_limit": 5,  # failures in a row after which the service gives up
    "own_limit": 10,
    "oom_score_adj": 200,  # of loops, so that they are chosen before the supervisor
    "cgroup": None,  # the delegated directory; looked for when it is None, "" for none
}


class Config:
    """The values, checked only for being there: who calls execute_root has checked the settings."""

    forkserver: list[str]
    control_socket: str
    writer_socket: str
    search_path: list[str]
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
    socket_look: float
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
    """Put it into a memfd that an executed program inherits."""
    fd = os.memfd_create(name, 0)
    with os.fdopen(os.dup(fd), "w") as file:
        json.dump(content, file)
    return fd


def load(fd: int) -> dict[str, Any]:
    """What was put there."""
    return json.loads(os.pread(fd, os.fstat(fd).st_size, 0))
