"""Root of the process tree: owns the sockets, starts and watches every other process, can neither grow nor block."""

from __future__ import annotations

import os
import signal
import sys

from ftl2_enterprise.supervisor import prctl
from ftl2_enterprise.supervisor.root import config, resources, sockets, upgrade
from ftl2_enterprise.supervisor.root.config import WRITER, Config
from ftl2_enterprise.supervisor.root.event_loop import EventLoop
from ftl2_enterprise.supervisor.root.messages import OTHER_VERSION
from ftl2_enterprise.supervisor.root.notify import ServiceManager
from ftl2_enterprise.supervisor.root.root import Root
from ftl2_enterprise.supervisor.root.upgrade import CHECK_ARGUMENT, CHECK_OPTION
from ftl2_enterprise.supervisor.stderr import ERROR, WARNING, write_line

NOT_MADE, TAKEN = 73, 75
"""Exit statuses: a socket cannot be created (EX_CANTCREAT); another service has it (EX_TEMPFAIL)."""


def main(config_fd: int) -> int:
    """Run root; returns its exit status."""
    os.set_inheritable(config_fd, False)  # noqa: FBT003
    given = Config(config.load(config_fd))
    checks = [word for word in sys.argv if word.startswith(CHECK_OPTION)]
    if checks:
        if checks != [CHECK_ARGUMENT]:
            write_line(
                "the running service and the installed program exchange other messages; restart the service", WARNING
            )
            return OTHER_VERSION
        os.execv(given.forkserver[0], [*given.forkserver, CHECK_OPTION, given.arguments.get(WRITER, "")])
    prctl.adopt_orphans()
    loop = EventLoop()
    loop.catch({signal.SIGCHLD, *upgrade.HANDLED})
    # The previous program has blocked them; from here on none of them ends this process.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, upgrade.HANDLED)
    manager = ServiceManager()
    state = upgrade.state_of(sys.argv)
    try:
        if state is None:
            owned = resources.create(given, manager)
        else:
            owned = resources.inherit(state["fds"], activated=state["activated"])
    except (sockets.Taken, sockets.NotMade) as error:
        write_line(str(error), ERROR)
        return TAKEN if isinstance(error, sockets.Taken) else NOT_MADE
    return Root(given, config_fd, loop, manager, owned, state).run()
