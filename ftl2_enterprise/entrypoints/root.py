"""What root executes: `python -ISE root.py CONFIG_FD`, so it says itself where things are."""

from __future__ import annotations

import json
import os
import sys


def run() -> int:
    """Find the package, then be root."""
    fd = int(sys.argv[1])
    sys.path += json.loads(os.pread(fd, os.fstat(fd).st_size, 0))["search_path"]
    from ftl2_enterprise.supervisor.root import main as root  # noqa: PLC0415 - not to be found before

    return root.main(fd)


if __name__ == "__main__":
    sys.exit(run())
