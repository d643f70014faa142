"""Checks of settings that types cannot express: amounts, names in lists, pairs of settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.quantities import bytes_of, processors_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from ftl2_enterprise.core.settings.sections import AccessSettings, LimitSettings, Refuse, SupervisorSettings

    class CheckedSettings(Protocol):
        """The shared sections that need a check."""

        @property
        def supervisor(self) -> SupervisorSettings: ...  # noqa: D102 - the name is enough

        @property
        def access(self) -> AccessSettings: ...  # noqa: D102

        @property
        def limits(self) -> LimitSettings: ...  # noqa: D102


SMALLEST_MEMORY = 32 * 1024 * 1024
"""Bytes. A child with less could not do its first step."""
LONGEST_SOCKET = 96
"""Bytes. The kernel takes 107 as the path of a Unix socket, and the service has others in the same directory."""

_NAME = re.compile(r"%?(?:[a-zA-Z_][a-zA-Z0-9_.@-]{0,63}\$?|\d{1,10})")


def refusing(section: str, origins: Mapping[str, str], written: Mapping[str, str]) -> Refuse:
    """What the check of a section refuses its values with; `written` has the keys as they were written."""

    def refuse(name: str, value: object, reason: str) -> None:
        key = f"{section}.{name}"
        raise invalid(f"cannot use {value!r} for {written.get(key, key)} from {origins[key]}: {reason}")

    return refuse


def check(settings: CheckedSettings, origins: Mapping[str, str], written: Mapping[str, str]) -> None:
    """Raises Problem(invalid) for the first value that cannot be used, with where it came from."""

    def refuse(key: str, value: object, reason: str, hint: str | None = None) -> None:
        raise invalid(f"cannot use {value!r} for {written.get(key, key)} from {origins[key]}: {reason}", hint)

    def refuse_pair(keys: tuple[str, str], reason: str, hint: str | None = None) -> None:
        # The setting that was given is the one to change.
        key = next((key for key in keys if origins[key] != "default"), keys[0])
        refuse(key, getattr(settings.supervisor, key.partition(".")[2]), reason, hint)

    limits = settings.limits
    try:
        if limits.memory and bytes_of(limits.memory) < SMALLEST_MEMORY:
            refuse("limits.memory", limits.memory, "a process of the service needs at least 32M")
    except ValueError as error:
        refuse("limits.memory", limits.memory, str(error))
    try:
        if limits.cpu:
            processors_of(limits.cpu)
    except ValueError as error:
        refuse("limits.cpu", limits.cpu, str(error))
    access = settings.access
    for key, entries in (("view", access.view), ("operate", access.operate), ("administer", access.administer)):
        for entry in entries:
            if not _NAME.fullmatch(entry):
                refuse(
                    f"access.{key}",
                    entry,
                    "expected the name or id of a user, or of a group after a %",
                    "for example %ftl2",
                )
    supervisor = settings.supervisor
    if supervisor.hung_after <= supervisor.heartbeat:
        refuse_pair(
            ("supervisor.hung_after", "supervisor.heartbeat"),
            f"a process sends a heartbeat every {supervisor.heartbeat:g} seconds (supervisor.heartbeat) and would"
            f" be killed after {supervisor.hung_after:g} (supervisor.hung_after)",
            "let hung_after be several times heartbeat",
        )
    if supervisor.restart_cap < supervisor.restart_delay:
        refuse_pair(
            ("supervisor.restart_cap", "supervisor.restart_delay"),
            f"the delay before a restart begins with {supervisor.restart_delay:g} seconds (supervisor.restart_delay)"
            f" and may not grow beyond {supervisor.restart_cap:g} (supervisor.restart_cap)",
        )
    if len(supervisor.socket.encode()) > LONGEST_SOCKET:
        refuse(
            "supervisor.socket",
            supervisor.socket,
            f"the path of a socket has at most {LONGEST_SOCKET} bytes",
            "give a shorter one",
        )
