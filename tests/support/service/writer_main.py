"""What the process of `writing.WriterProcess` runs."""

from __future__ import annotations

import logging
import resource
import socket
import sys
from pathlib import Path

from ftl2_enterprise.loops import process  # noqa: F401 - their units  # pyright: ignore[reportUnusedImport]
from ftl2_enterprise.loops.handlers import table as handlers  # noqa: F401 - their units  # pyright: ignore[reportUnusedImport]
from ftl2_enterprise.supervisor.writer.main import main
from ftl2_enterprise.wiring.database import open_database
from tests.support.service import ledger  # noqa: F401 - its units  # pyright: ignore[reportUnusedImport]

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    if most := int(sys.argv[4]):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    database, patience = Path(sys.argv[2]), float(sys.argv[3])
    main(
        socket.socket(fileno=int(sys.argv[1])),
        lambda: open_database(database, create=False, busy_timeout=patience),
    )
