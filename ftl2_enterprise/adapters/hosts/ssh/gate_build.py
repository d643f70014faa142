"""Builds FTL2's gate in a separate process: the import of FTL2 takes a second and would block an event loop."""

from __future__ import annotations

import fcntl
import sys
import tempfile
from pathlib import Path
from typing import Any

MODULES = ["ping"]
"""The modules that FTL2 puts into a gate by default; another list would create another gate."""


def main(folder: Path, interpreter: str) -> None:
    """Build a gate in the folder. It is renamed when complete, as FTL2 would use an incomplete one indefinitely."""
    from ftl2.gate import GateBuildConfig, GateBuilder  # noqa: PLC0415 - only this process pays for the import

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        config: Any = GateBuildConfig(modules=list(MODULES), interpreter=interpreter)
        target = folder / f"ftl_gate_{config.compute_hash()}.pyz"
        if target.exists():
            return
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            builder: Any = GateBuilder(fresh)
            # Only FTL2's file watcher, which is not used, needs a package, and there may be no package index here.
            builder._install_dependencies = _install_nothing
            built, _ = builder.build(config)
            Path(built).replace(target)


def _install_nothing(*_: object) -> None:
    """In place of the step of FTL2 that installs packages into a gate."""


def run() -> None:
    """Run with the arguments of the command line: the path of this package, the folder, the interpreter."""
    _, folder, interpreter = sys.argv[1:]
    try:
        main(Path(folder), interpreter)
    except Exception as error:  # for any error of FTL2, one line is enough for people
        sys.stderr.write(f"\n{str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}\n")
        raise SystemExit(1) from None
