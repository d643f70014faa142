"""First code of root: `python -ISE root.py CONFIG_FD`. Isolated, it gets its search path from the configuration."""

from __future__ import annotations

import json
import os
import sys


def run() -> int:
    """Set the search path, then run root; returns its exit status."""
    fd = int(sys.argv[1])
    sys.path += json.loads(os.pread(fd, os.fstat(fd).st_size, 0))["search_path"]
    from ftl2_enterprise.supervisor.root import main as root  # noqa: PLC0415 - not importable before

    return root.main(fd)


if __name__ == "__main__":
    sys.exit(run())
