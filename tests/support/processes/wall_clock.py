"""A wall clock that jumps, for a whole tree of processes: what the C library returns is off by as much."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("clock.c")


@dataclass
class WallClock:
    """Set it while they run; monotonic clocks are left alone, as by a real jump."""

    library: Path
    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process is started with so that it and all below it have this clock."""
        return {"LD_PRELOAD": str(self.library), "TEST_CLOCK": str(self.file)}

    def jump(self, seconds: int) -> None:
        """From now on it differs by that many seconds from the clock of this machine."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("l", seconds))


def wall_clock(directory: Path) -> WallClock:
    """One that agrees with this machine's so far; skips the test where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler to have a clock that jumps")
    library = directory / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    clock = WallClock(library, directory / "clock")
    clock.file.write_bytes(struct.pack("l", 0))
    return clock
