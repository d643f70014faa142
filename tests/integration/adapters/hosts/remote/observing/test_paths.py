"""Paths: kinds, permissions, digests and content. Nothing but regular files is ever opened for reading."""

from __future__ import annotations

import hashlib
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe

if TYPE_CHECKING:
    from pathlib import Path


def path(name: Path | str, **given: Any) -> dict[str, Any]:
    return observe("path", {"path": str(name), **given})


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one\ntwo\n\xff")
    file.chmod(0o640)
    os.utime(file, (1_000_000, 1_000_000))
    found = path(file, content=4)
    assert (found["exists"], found["kind"], found["mode"], found["size"]) == (True, "file", "0640", 9)
    assert (found["uid"], found["modified"], found["link"]) == (os.geteuid(), "1970-01-12T13:46:40Z", None)
    assert found["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (found["content"], found["truncated"], found["changed"]) == ("one\n", True, False)
    whole = path(file, content=9, sha256=False)
    assert (whole["content"], whole["truncated"], whole["sha256"]) == ("one\ntwo\n\ufffd", False, None)
    assert "content" not in path(file)


def test_links_are_followed_or_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("absent")
    followed, itself = path(tmp_path / "link"), path(tmp_path / "link", follow=False)
    assert (followed["kind"], followed["link"], followed["size"]) == ("file", "file", 1)
    assert (itself["kind"], itself["link"]) == ("link", "file")
    assert path(tmp_path / "dangling")["exists"] is False
    assert path(tmp_path / "dangling", follow=False)["exists"] is True


def test_what_does_not_exist_is_a_result(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert path(tmp_path / "absent") == {
        "changed": False,
        "path": f"{tmp_path}/absent",
        "exists": False,
        "link": None,
    }
    assert path(tmp_path / "file" / "below")["exists"] is False


def test_a_directory_with_its_entries(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).touch()
    found = path(tmp_path, entries=True)
    assert (found["kind"], found["entries"], found["count"]) == ("directory", ["a", "b"], 2)
    assert path(tmp_path / "a", entries=True)["msg"].endswith("it is a file")


def test_fifos_sockets_and_devices_are_not_opened(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
        assert path(tmp_path / "socket")["kind"] == "socket"
    assert path(fifo)["kind"] == "fifo"
    assert path(fifo, content=5)["msg"] == f"cannot read {fifo}: it is a fifo"
    assert path("/dev/zero")["kind"] == "character device"
    assert path("/dev/zero", content=5)["failed"]
    # A reader would have let this open succeed.
    with pytest.raises(OSError, match="No such device or address"):
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)


@pytest.mark.parametrize("name", ["/proc/kmsg", "/proc/self/environ", "/proc/1/mem", "/proc/self/root/proc/kmsg"])
def test_files_of_the_kernel_that_do_more_than_show_a_value_are_not_read(name: str) -> None:
    found = path(name, content=10)
    assert found["failed"]
    assert found["msg"].startswith(("cannot read ", "cannot observe "))


def test_values_of_the_kernel_are_read() -> None:
    assert path("/proc/sys/kernel/ostype", content=100)["content"] == "Linux\n"
    assert path("/proc/sys/kernel/ostype")["sha256"] is None


def test_a_home_that_does_not_exist() -> None:
    assert path("~no-such-user/x")["msg"] == "cannot observe ~no-such-user/x: this host has no such user"


def test_many_paths_in_one_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("absent")
    names = [str(tmp_path / name) for name in ("file", "link", "dangling", "absent")]
    found = observe("paths", {"paths": names, "sha256": [names[0], names[1]]})["paths"]
    file, link, dangling, absent = (found[name] for name in names)
    assert (file["mode"], file["sha256"]) == ((tmp_path / "file").stat().st_mode, hashlib.sha256(b"x").hexdigest())
    assert (link["link"], link["real"]["mode"], link["sha256"]) == ("file", file["mode"], file["sha256"])
    assert (dangling["link"], dangling["real"], absent) == ("absent", None, None)
