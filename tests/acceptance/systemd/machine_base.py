"""What machines of each kind have in common: a directory, a process on the host, and its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.acceptance.systemd.tree import Tree


class Powered:
    """A machine is on while its process lives."""

    def __init__(self, tree: Tree, directory: Path) -> None:
        self.tree = tree
        self.directory = directory
        self.name = f"ftl2-{os.getpid()}-{directory.name}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    def wait(self, seconds: float) -> None:
        """Wait until the machine is off."""
        assert self.process is not None
        self.process.wait(seconds)
        self._tidy()

    def cut_power(self) -> None:
        """End it as a power failure would: nothing inside gets a word."""
        if self.process is None:
            return
        self._kill(self.process)
        self.process.wait(30)
        self._tidy()

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        raise NotImplementedError

    def _tidy(self) -> None:
        self.process = None
