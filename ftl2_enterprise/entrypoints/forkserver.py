"""What the forkserver executes: everything that its children need is imported here, once."""

from __future__ import annotations

import sys

from ftl2_enterprise.ctl import server_render
from ftl2_enterprise.supervisor.forkserver import main as forkserver
from ftl2_enterprise.wiring import preload, processes

if __name__ == "__main__":
    sys.exit(forkserver.serve(processes.kinds(server_render.RENDERS), preload.preload, processes.firsts()))
