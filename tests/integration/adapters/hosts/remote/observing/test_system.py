"""The host itself."""

from __future__ import annotations

import os
import socket

from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe


def test_names_memory_and_file_systems() -> None:
    found = observe("system", {})
    assert (found["hostname"], found["kernel"], found["changed"]) == (socket.gethostname(), os.uname().release, False)
    assert found["os"]["id"]
    assert 0 < found["memory"]["available"] <= found["memory"]["total"]
    root = next(one for one in found["filesystems"] if one["mount"] == "/")
    assert root["size"] == os.statvfs("/").f_blocks * os.statvfs("/").f_frsize
    assert 0 <= root["used_percent"] <= 100
    assert found["uptime"] > 0
