"""The scene of the tour: a scratch directory that a loop manages, and the damage done to it."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

BROKEN_LINE = "interval=999  # changed by hand\n"


class TourFailed(Exception):
    """A step of the tour did not have the result that the tour claims."""


@dataclass
class Scene:
    """The scratch directory and its contents."""

    directory: Path

    @property
    def host(self) -> Path:
        """The directory that the loop manages."""
        return self.directory / "host"

    @property
    def config(self) -> Path:
        """The file that is damaged."""
        return self.host / "etc" / "service.conf"

    def service(self) -> int | None:
        """The pid of the managed service, if the process in its pid file runs in the scratch directory; else None."""
        try:
            pid = int((self.host / "run" / "service.pid").read_text())
            at_home = Path(f"/proc/{pid}/cwd").resolve() == self.host.resolve()
            # It leads its own process group, so that its children can be killed with it.
            return pid if at_home and os.getpgid(pid) == pid and _is_alive(pid) else None
        except (OSError, ValueError):
            return None

    def check(self, moment: str) -> None:
        """Verify that the directory matches the manifest. Raises TourFailed when it does not."""
        if not self.config.is_file() or BROKEN_LINE in self.config.read_text():
            raise TourFailed(f"{moment}, but {self.config} does not match the manifest")
        if self.service() is None:
            raise TourFailed(f"{moment}, but the service is not running")

    def damage(self) -> int:
        """Edit a configuration file and kill the managed service; returns its pid. Raises TourFailed."""
        pid = self.service()
        if pid is None:
            raise TourFailed("the service ended before anything was broken")
        with self.config.open("a") as file:
            file.write(BROKEN_LINE)
        os.killpg(pid, signal.SIGKILL)
        return pid

    def end_service(self) -> None:
        """Kill the managed service, and wait until it has ended."""
        pid = self.service()
        if pid is None:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            # The pid may have been reused between the check and the open.
            if self.service() == pid:
                os.killpg(pid, signal.SIGKILL)
                select.select([descriptor], [], [], 5.0)
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)


def _is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat[stat.rindex(")") + 2] not in "ZX"
