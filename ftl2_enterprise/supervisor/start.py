"""The command that starts the service executes root, a much smaller program, in its own process."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import ftl2_enterprise
from ftl2_enterprise.supervisor.root import config as root_config

if TYPE_CHECKING:
    from collections.abc import Mapping

FORKSERVER = "ftl2_enterprise.entrypoints.forkserver"


def execute_root(config: Mapping[str, Any]) -> NoReturn:
    """Execute root with this configuration (`root/config.py`). Raises OSError and ValueError."""
    given = {"forkserver": [sys.executable, "-P", "-m", FORKSERVER], "search_path": search_path(), **config}
    root_config.Config(given)
    fd = root_config.store("config", given)
    os.set_inheritable(fd, True)  # noqa: FBT003
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execv(sys.executable, command(fd))


def command(config_fd: int) -> list[str]:
    """The command line of root."""
    script = Path(ftl2_enterprise.__file__).parent / "entrypoints" / "root.py"
    return [sys.executable, "-ISE", str(script), str(config_fd)]


def search_path() -> list[str]:
    """The directories of this package and sdnotify: in isolated mode root has no others."""
    sdnotify = importlib.util.find_spec("sdnotify")
    places = [Path(ftl2_enterprise.__file__).parent.parent]
    if sdnotify is not None and sdnotify.origin is not None:
        places.append(Path(sdnotify.origin).parent.parent)
    return list(dict.fromkeys(map(str, places)))
