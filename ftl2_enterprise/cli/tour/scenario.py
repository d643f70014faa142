"""The scene of the tour: a scratch directory that a loop manages, and how something in it gets broken."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

BROKEN_LINE = "interval=999  # changed by hand\n"


class TourFailed(Exception):
    """Something that the tour promises did not happen."""


@dataclass
class Scene:
    """The scratch directory and what is to be seen in it."""

    directory: Path

    @property
    def host(self) -> Path:
        """What the loop manages."""
        return self.directory / "host"

    @property
    def config(self) -> Path:
        """The file that gets broken."""
        return self.host / "etc" / "service.conf"

    def service(self) -> int | None:
        """The pid of the service that runs in the scratch directory; another process of that pid is none."""
        try:
            pid = int((self.host / "run" / "service.pid").read_text())
            at_home = Path(f"/proc/{pid}/cwd").resolve() == self.host.resolve()
            # It leads a group of its own, so that what it started can be ended with it.
            return pid if at_home and os.getpgid(pid) == pid and _is_alive(pid) else None
        except (OSError, ValueError):
            return None

    def check(self, moment: str) -> None:
        """Raises TourFailed unless the directory is as the manifest says."""
        if not self.config.is_file() or BROKEN_LINE in self.config.read_text():
            raise TourFailed(f"{moment}, but {self.config} is not as the manifest says")
        if self.service() is None:
            raise TourFailed(f"{moment}, but the service does not run")

    def damage(self) -> int:
        """Edit a configuration file and kill the service, as people and accidents do; returns the pid."""
        pid = self.service()
        if pid is None:
            raise TourFailed("the service ended before anything was broken")
        with self.config.open("a") as file:
            file.write(BROKEN_LINE)
        os.killpg(pid, signal.SIGKILL)
        return pid

    def end_service(self) -> None:
        """End the service that the loop keeps, and wait until it is gone."""
        pid = self.service()
        if pid is None:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            # The name may have passed to another process between the look and the open.
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
