"""Builds FTL2's gate in a process of its own: it takes seconds, prints, and would block an event loop."""

from __future__ import annotations

import fcntl
import sys
import tempfile
from pathlib import Path
from typing import Any

MODULES = ["ping"]
"""What FTL2 itself puts into a gate when it is asked for no modules; another list is another gate."""


def main(folder: Path, interpreter: str) -> None:
    """Leave a whole gate in the folder. Half of one would stay there for ever, so it appears under its name last."""
    from ftl2.gate import GateBuildConfig, GateBuilder  # noqa: PLC0415 - only this process pays for the import

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        config: Any = GateBuildConfig(modules=list(MODULES), interpreter=interpreter)
        target = folder / f"ftl_gate_{config.compute_hash()}.pyz"
        if target.exists():
            return
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            built, _ = GateBuilder(fresh).build(config)
            Path(built).replace(target)


def run() -> None:
    """Take the arguments from the command line: the place of this package, the folder, the interpreter."""
    _, folder, interpreter = sys.argv[1:]
    try:
        main(Path(folder), interpreter)
    except Exception as error:  # whatever FTL2 or its installer raises, one line is what people need
        sys.stderr.write(f"\n{str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}\n")
        raise SystemExit(1) from None
