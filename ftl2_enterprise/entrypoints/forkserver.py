"""First code of the forkserver; it imports everything that its children need, once."""

from __future__ import annotations

import gc
import sys


def run() -> int:
    """Import everything, then fork what root requests; returns the exit status."""
    # Imports leave hardly any garbage. The forkserver collects it before it forks anything.
    gc.disable()
    from ftl2_enterprise.supervisor.forkserver import main as forkserver  # noqa: PLC0415 - no collection before
    from ftl2_enterprise.wiring import migrations, preload, processes  # noqa: PLC0415

    return forkserver.serve(
        processes.kinds(),
        preload.preload,
        processes.firsts(),
        schema=migrations.schema(),
        why_not_in_place=processes.why_not_in_place,
    )


if __name__ == "__main__":
    sys.exit(run())
