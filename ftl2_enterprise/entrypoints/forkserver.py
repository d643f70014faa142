"""First code of the forkserver; it imports everything that its children need, once."""

from __future__ import annotations

import sys

from ftl2_enterprise.supervisor.forkserver import main as forkserver
from ftl2_enterprise.wiring import preload, processes

if __name__ == "__main__":
    sys.exit(
        forkserver.serve(
            processes.kinds(),
            preload.preload,
            processes.firsts(),
            why_not_in_place=processes.why_not_in_place,
        )
    )
