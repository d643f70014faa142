"""A forkserver's `Forker` in its own process, without a root; its children report to files.

    python -m tests.support.service.lone_forker DIRECTORY

It reads one command with its arguments from each line of its input, and writes one line of JSON for each.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.supervisor import heartbeat, prctl
from ftl2_enterprise.supervisor.forkserver import child_start
from ftl2_enterprise.supervisor.forkserver.main import Forker

if TYPE_CHECKING:
    from collections.abc import Callable


def main(directory: Path) -> None:
    # In the place of root: it becomes the parent of the children.
    prctl.adopt_orphans()

    def work(context: child_start.ChildContext) -> int:
        (directory / context.name).write_text(f"{os.getpid()} {os.getppid()}")
        return 0

    slots = heartbeat.create()
    setting = child_start.ForkSetting(root=os.getpid(), every=60.0, slots=slots, kinds={"noted": work}, firsts={})
    channel, _kept = socket.socketpair()
    forker = Forker(setting, channel)

    def order(key: str) -> Any:
        request = {"key": key, "slot": 1, "argument": "", "cgroup": None, "log": None, "oom": 0, "descriptors": []}
        return forker.answer(json.dumps(request).encode(), [])

    commands: dict[str, Callable[..., Any]] = {
        "announce": lambda count: slots.announce(int(count)),
        "prepare": forker.prepare,
        "order": order,
        "patience": lambda: forker.patience,
        "release": forker.release,
    }
    for line in sys.stdin:
        name, *arguments = line.split()
        print(json.dumps(commands[name](*arguments)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
