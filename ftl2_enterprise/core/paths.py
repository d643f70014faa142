"""Default paths. They are strings, because the client starts too often to load pathlib.

With systemd they are StateDirectory=, ConfigurationDirectory=, LogsDirectory= and RuntimeDirectory= of the unit.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing takes as long to load as pathlib
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "ftl2-enterprise"
ETC = f"/etc/{NAME}"
RUN = f"/run/{NAME}"
SOCKET = "control.sock"
SOCKET_VARIABLES = ("FTL2CTL_SOCKET", "FTL2_ENTERPRISE_SUPERVISOR_SOCKET")
"""Variables that name the socket to a client."""


def state_dir(variables: Mapping[str, str]) -> str:
    """The directory of databases: that of the system for root, otherwise that of the user."""
    if directory := _of_unit(variables, "STATE_DIRECTORY"):
        return directory
    return f"/var/lib/{NAME}" if os.geteuid() == 0 else _xdg(variables, "XDG_STATE_HOME", ".local/state")


def config_dir(variables: Mapping[str, str]) -> str:
    """The directory of settings, and of the files that they name by default."""
    if directory := _of_unit(variables, "CONFIGURATION_DIRECTORY"):
        return directory
    return ETC if os.geteuid() == 0 else _xdg(variables, "XDG_CONFIG_HOME", ".config")


def log_dir(variables: Mapping[str, str], database: str | None = None) -> str:
    """The directory of logs: next to the database if that is not the default one."""
    if directory := _of_unit(variables, "LOGS_DIRECTORY"):
        return directory
    if database is not None:
        return f"{os.path.dirname(database)}/log"  # noqa: PTH120 - see above
    return f"/var/log/{NAME}" if os.geteuid() == 0 else f"{state_dir(variables)}/log"


def socket_path(variables: Mapping[str, str]) -> str:
    """The control socket of a service of this user."""
    if directory := _of_unit(variables, "RUNTIME_DIRECTORY"):
        return f"{directory}/{SOCKET}"
    if os.geteuid() == 0:
        return f"{RUN}/{SOCKET}"
    runtime = variables.get("XDG_RUNTIME_DIR", "")
    # Without a runtime directory (no login session) the socket is next to the database.
    return f"{runtime}/{NAME}/{SOCKET}" if runtime.startswith("/") else f"{state_dir(variables)}/{SOCKET}"


def client_socket(variables: Mapping[str, str]) -> str | None:
    """The socket for a client: what a variable names, otherwise the first of `expected_sockets` that exists."""
    for name in SOCKET_VARIABLES:
        if named := variables.get(name):
            return named
    return next((path for path in expected_sockets(variables) if _may_be_there(path)), None)


def expected_sockets(variables: Mapping[str, str]) -> list[str]:
    """The sockets of the system's service and of this user's."""
    return list(dict.fromkeys((f"{RUN}/{SOCKET}", socket_path(variables))))


def _may_be_there(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - pathlib costs a client too much
    except PermissionError:
        # It is hidden from this user; the attempt to connect reports that.
        return True
    except OSError:
        return False
    return True


def is_unit(variables: Mapping[str, str]) -> bool:
    """Whether the process belongs to a service of systemd that has a directory of settings."""
    return _of_unit(variables, "CONFIGURATION_DIRECTORY") is not None


def _of_unit(variables: Mapping[str, str], name: str) -> str | None:
    """The directory of that kind that systemd made for the unit; the first one when there are several."""
    first = variables.get(name, "").partition(":")[0]
    return first if first.startswith("/") else None


def _xdg(variables: Mapping[str, str], name: str, below_home: str) -> str:
    named = variables.get(name, "")
    # The XDG specification wants relative values ignored.
    base = named if named.startswith("/") else f"{variables.get('HOME') or os.path.expanduser('~')}/{below_home}"  # noqa: PTH111 - see above
    return f"{base}/{NAME}"
