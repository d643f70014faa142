"""Runs the few programs that observations need: with fixed arguments, without a shell, with a fixed environment."""

from __future__ import annotations

import os
import subprocess

from ftl2_enterprise.adapters.hosts.remote.observing.parameters import CannotObserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDERS = ("/usr/bin", "/bin", "/usr/sbin", "/sbin")
"""Where programs are found, whatever PATH is."""
LONGEST = 32 << 20
"""Bytes of output that are read."""


class EndedProgram:
    """A program that has ended, and its output."""

    def __init__(self, rc: int, out: str, err: str) -> None:
        self.rc = rc
        self.out = out
        self.err = err

    def reason(self) -> str:
        """The first line of its error output, without a full stop."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return lines[0].rstrip(".") if lines else f"exit status {self.rc}"


def find(name: str) -> str | None:
    """The file of a program."""
    paths = [f"{folder}/{name}" for folder in FOLDERS]
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def run(name: str, arguments: Sequence[str], *, purpose: str) -> EndedProgram:
    """Run a program. Raises CannotObserve when it does not exist or prints too much; `purpose` begins the message."""
    file = find(name)
    if file is None:
        raise CannotObserve(f"{purpose}: this host has no {name}")
    environment = {
        "PATH": ":".join(FOLDERS), "LC_ALL": "C", "TZ": "UTC", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "",
        **{key: os.environ[key] for key in ("HOME", "USER") if key in os.environ},
    }  # fmt: skip
    try:
        done = subprocess.run(
            [file, *arguments], stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False
        )
    except OSError as error:
        raise CannotObserve(f"{purpose}: {file}: {error.strerror}") from None
    if len(done.stdout) > LONGEST:
        raise CannotObserve(f"{purpose}: {name} printed more than {LONGEST >> 20} MiB")
    return EndedProgram(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )
