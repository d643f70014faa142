"""`ftl2ctl` as a process, with a socket of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

CTL = [sys.executable, "-P", "-m", "ftl2_enterprise.entrypoints.ftl2ctl"]


def ctl(path: Path, *words: str, **values: Any) -> subprocess.CompletedProcess[str]:
    """Run a command, with no other variables of the program; `values` go to `subprocess.run`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FTL2")}
    return subprocess.run(
        [*CTL, *words],
        env={**kept, "FTL2CTL_SOCKET": str(path), "PYTHONUTF8": "1"},
        check=False,
        timeout=60,
        text=True,
        **{"capture_output": True, **values},
    )
