"""Root and the processes that it starts refuse each other when their messages are of different versions."""

from __future__ import annotations

import os
import subprocess
import sys

from ftl2_enterprise.supervisor import start
from ftl2_enterprise.supervisor.root import config, messages
from ftl2_enterprise.supervisor.root.upgrade import CHECK_OPTION
from tests.support.places import REPOSITORY
from tests.support.service import root_kinds


def check(version: str) -> subprocess.CompletedProcess[str]:
    """What a running root executes before it replaces itself."""
    fd = config.store("config", {
        "forkserver": [sys.executable, "-m", root_kinds.__name__], "search_path": start.search_path(),
        "control_socket": "/nowhere/c.sock", "writer_socket": "/nowhere/w.sock",
    })  # fmt: skip
    try:
        return subprocess.run(
            [*start.command(fd), f"{CHECK_OPTION}{version}"],
            pass_fds=(fd,), capture_output=True, text=True, check=False, cwd=REPOSITORY,
        )  # fmt: skip
    finally:
        os.close(fd)


def test_the_check_before_an_upgrade_succeeds_for_equal_messages() -> None:
    assert check(f"={messages.VERSION}").returncode == 0


def test_the_check_before_an_upgrade_refuses_a_root_with_other_messages() -> None:
    # The first version names none.
    for version in ("", f"={messages.VERSION + 1}"):
        done = check(version)
        assert done.returncode == messages.OTHER_VERSION
        assert "restart the service" in done.stderr


def test_a_forkserver_refuses_a_root_with_other_messages() -> None:
    # The first version passes two arguments.
    for version in ([], [str(messages.VERSION + 1)]):
        command = [sys.executable, "-m", root_kinds.__name__, *version, str(os.getpid()), "1.0"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
        assert done.returncode == messages.OTHER_VERSION
        assert "other messages" in done.stderr
