"""Time from the start of the command to its first iteration, and the cost of a status line."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import Row, medians_of_both

MODULE = "ftl2_enterprise.entrypoints.ftl2_enterprise"
MANIFEST = "version: 1\nname: start\nsteps:\n  - name: there\n    file: {path: /, state: directory}\n"
PEER = "import ftl2.automation, sqlalchemy"


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "manifest.yaml").write_text(MANIFEST)
        (directory / "config.toml").write_text("")
        base = [sys.executable, "-m", MODULE, "--db", str(directory / "loops.db"), "--config"]
        base.append(str(directory / "config.toml"))
        count = iter(range(1000))

        def call(*arguments: str) -> None:
            subprocess.run([*base, *arguments], check=True, capture_output=True, env={**os.environ, "HOME": folder})

        def converge() -> None:
            name = f"start-{next(count)}"
            call("run", "-f", str(directory / "manifest.yaml"), "--name", name, "--quiet", "--non-interactive")

        def peer() -> None:
            subprocess.run([sys.executable, "-c", PEER], check=True)

        converged, imports = medians_of_both(converge, peer, runs=5)
        status, imports_again = medians_of_both(lambda: call("status"), peer, runs=5)
    against = "importing ftl2 and SQLAlchemy"
    return [
        Row(
            name="a run that converges at once, whole process",
            ours=converged,
            peer=imports,
            unit="ms",
            against=against,
        ),
        Row(name="status, as a command", ours=status, peer=imports_again, unit="ms", against=against),
    ]
