"""FTL2's gate, built once for the tests that share it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.adapters.hosts.local import calls as local_calls
from ftl2_enterprise.adapters.hosts.ssh.calls import BUILD
from tests.support.processes import sshd

if TYPE_CHECKING:
    from pathlib import Path


def build(work: Path, interpreter: str | None = None) -> Path:
    """Build the gate where calls that have this working directory find it; returns the directory."""
    words = [local_calls.ROOT, str(work / "gates"), interpreter or sshd.interpreter()]
    subprocess.run([sys.executable, "-I", "-c", BUILD, *words], check=True, capture_output=True)
    return work
