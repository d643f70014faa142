"""`make bench` runs every benchmark; `python -m bench store engine` runs the named ones."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.measure import Row


def main(names: list[str]) -> None:
    found = sorted(file.stem.removeprefix("bench_") for file in Path(__file__).parent.glob("bench_*.py"))
    unknown = [name for name in names if name not in found]
    if unknown:
        raise SystemExit(f"cannot run the benchmark {unknown[0]!r}: it does not exist; use {', '.join(found)}")
    print(f"{'figure':58} {'ours':>10} {'peer':>10}      {'ratio':>6}  peer")
    for name in names or found:
        rows: list[Row] = importlib.import_module(f"bench.bench_{name}").run()
        for row in rows:
            print(
                f"{row.name:58} {row.ours:10.2f} {row.peer:10.2f} {row.unit:4} {row.ratio:6.2f}  {row.against}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
