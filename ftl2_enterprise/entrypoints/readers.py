"""First code of a process that forks readers, if the one that control has forked was killed."""

from __future__ import annotations

import socket
import sys


def run(descriptor: int) -> int:
    """Import everything that readers need, then fork them until control closes the connection."""
    from ftl2_enterprise.supervisor import prctl  # noqa: PLC0415 - nothing is imported before it is needed
    from ftl2_enterprise.supervisor.readers import process  # noqa: PLC0415
    from ftl2_enterprise.wiring import processes  # noqa: PLC0415

    prctl.die_with_parent()
    process.serve(socket.socket(fileno=descriptor), processes.readings())
    return 0


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1])))
