"""`python -m ftl2_packaging deb rpm` builds packages into build/; `wheels` only downloads what they contain."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from ftl2_packaging import building, places, wheels


def main() -> int:
    """Build what was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="ftl2_packaging", description="Build packages.")
    parser.add_argument("formats", nargs="+", choices=(*building.FORMATS, "wheels"))
    parser.add_argument("--output", type=Path, default=places.SOURCE / "build")
    parser.add_argument("--release", default="1", help="the part of the version that counts builds")
    given = parser.parse_args()
    begun = time.monotonic()
    try:
        build = places.of_source(given.output, given.release)
        if "wheels" in given.formats:
            wheels.fetch(build)
        formats = [kind for kind in given.formats if kind != "wheels"]
        made = building.make(build, formats) if formats else []
    except places.CannotBuild as reason:
        print(reason, file=sys.stderr)
        return 1
    for path in made:
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    if made:
        print(f"{time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
