"""`ftl2ctl` as a command, compared with an empty Python program: the status of one loop and of 200."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import Row, medians_of_both
from ftl2_enterprise.protocol.loops.replies import LoopPage
from ftl2_enterprise.protocol.loops.verbs import ListLoops
from tests.support.data.builders import loop_line
from tests.support.scripted.scripted_service import ScriptedService

MODULE = "ftl2_enterprise.entrypoints.ftl2ctl"
BARE = [sys.executable, "-c", "pass"]


def run() -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, ScriptedService(Path(folder) / "s") as service:
        command = [sys.executable, "-m", MODULE, "--socket", str(service.path), "status"]
        # As installed: with byte-code.
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        for count in (1, 200):
            service.on(ListLoops, LoopPage(loops=[loop_line(f"loop-{n}", id=n) for n in range(count)]))
            ours, bare = medians_of_both(
                lambda: subprocess.run(command, check=True, capture_output=True, env=env),
                lambda: subprocess.run(BARE, check=True, env=env),
                runs=20,
                warmup=3,
            )
            name = f"ftl2ctl status of {count} loop{'s' if count > 1 else ''}, as a command"
            rows.append(Row(name=name, ours=ours, peer=bare, unit="ms", against="python -c pass"))
    return rows
