"""A start that changes the database first: the service manager is asked for time while it lasts."""

from __future__ import annotations

import gzip
import socket
from typing import TYPE_CHECKING

from tests.support.places import REPOSITORY
from tests.support.service.daemon import daemon
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

FROZEN = REPOSITORY / "tests" / "compat" / "data" / "loops-0001.db.gz"


def test_the_service_manager_is_asked_for_time_before_ready(tmp_path: Path) -> None:
    received: list[str] = []
    with daemon(tmp_path) as service, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        (tmp_path / "loops.db").write_bytes(gzip.decompress(FROZEN.read_bytes()))
        service.start(env={"NOTIFY_SOCKET": str(tmp_path / "notify")})

        def is_ready() -> bool:
            try:
                received.extend(manager.recv(4096).decode().splitlines())
            except BlockingIOError:
                return False
            return "READY=1" in received

        until(is_ready)
    first = received.index("EXTEND_TIMEOUT_USEC=120000000")
    assert first < received.index("READY=1")
    assert received[first + 1] == "STATUS=migrating the database"
