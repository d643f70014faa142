"""The command as a user runs it: its own process, with its own database and configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl2_enterprise.core.faults import VARIABLE
from tests.support.data.new_database import put_database

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "ftl2_enterprise.entrypoints.ftl2_enterprise"


@dataclass
class Command:
    """Runs `ftl2-enterprise` against one database in one directory."""

    directory: Path
    config: str = ""
    env: dict[str, str] = field(default_factory=dict[str, str])
    creates_database: bool = False
    """Whether the program creates its database, which takes a third of a second, rather than find an empty one."""

    @property
    def database(self) -> Path:
        return self.directory / "loops.db"

    def argv(self, *arguments: str) -> list[str]:
        config = self.directory / "config.toml"
        config.write_text(self.config)
        is_made = self.creates_database or os.path.lexists(self.database)
        if arguments[:1] in {("run",), ("supervise",)} and not is_made:
            put_database(self.database)
        return [sys.executable, "-P", "-m", MODULE, "--db", str(self.database), "--config", str(config), *arguments]

    def environment(self, fault: str | None = None) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("FTL2_ENTERPRISE_")}
        kept |= {"HOME": str(self.directory), "NO_COLOR": "1", "FTL2_TELEMETRY": "off", **self.env}
        if fault is not None:
            kept[VARIABLE] = fault
        return kept

    def run(self, *arguments: str, fault: str | None = None, timeout: float = 90.0, typed: str = ""):
        """Run to the end; `typed` is the standard input."""
        return subprocess.run(
            self.argv(*arguments),
            env=self.environment(fault),
            cwd=self.directory,
            input=typed,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *arguments: str, fault: str | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(*arguments),
            env=self.environment(fault),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
