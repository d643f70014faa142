"""Who owns a row for a limited time, and whether that owner can still be at work.

A lease has three parts:

- the *owner*: a process, named so that no later process is mistaken for it. The text of an owner is
  `BOOT:PID:START:MACHINE`: the kernel's boot id, the pid, the start time in clock ticks since the boot (proc(5)), and
  an id of the machine. Version 0.1 wrote `BOOT:PID:START`, which is still read.
- the *deadline*: the instant up to which an owner on another machine counts as alive, because its process cannot be
  inspected from here. A process on this machine is inspected directly, whatever the deadline. Today one machine
  works on a database, so rows keep no deadline, and an owner of an earlier boot is dead.
- the *generation*: a number in the row that each claim raises by one, and that every write of an owner is guarded by.
  It protects the row from an owner that was taken for dead and works on: its writes match no row. Neither the
  deadline nor the inspection has to be exact, because the generation decides.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ftl2_enterprise.core.clock import Instant

MACHINE_ID = "/etc/machine-id"
"""See machine-id(5)."""
APPLICATION = bytes.fromhex("993d5fc07d854c2ba3355e4038fbeb21")
"""Of this program, for the ids of machines; `systemd-id128 machine-id --app-specific=` derives the same ones."""

_ID = re.compile(r"[0-9a-f]{32}")
_OWNER = re.compile(r"([^:]*):([0-9]+):([0-9]+)(?::([0-9a-f]{32}))?")


class Owner(NamedTuple):
    """A process of some boot of some machine."""

    boot: str
    pid: int
    start: str
    """Clock ticks between the boot and the start of the process."""
    machine: str | None = None
    """None when version 0.1 wrote it."""

    def __str__(self) -> str:
        """As it is stored; see the module's docstring."""
        known = f"{self.boot}:{self.pid}:{self.start}"
        return known if self.machine is None else f"{known}:{self.machine}"


def parse(text: str) -> Owner:
    """The owner that a row names. Raises ValueError for a text that names none."""
    found = _OWNER.fullmatch(text)
    if found is None:
        raise ValueError(f"cannot read the owner {text!r}: it is not BOOT:PID:START or BOOT:PID:START:MACHINE")
    boot, pid, start, machine = found.groups()
    return Owner(boot, int(pid), start, machine)


def current() -> str:
    """The text of this process as an owner."""
    pid = os.getpid()
    return str(Owner(_boot_id(), pid, _start_time(pid) or "0", _machine()))


def pid_of(owner: str) -> int:
    """The pid of an owner. Raises ValueError for a text that names none."""
    return parse(owner).pid


def is_alive(owner: str, *, deadline: Instant | None = None, now: Instant = 0) -> bool:
    """Whether the owner may still be at work: False for a text that names none.

    On this machine: whether that very process exists. On another machine: until the deadline of its lease, if it
    has one; `now` is compared with the deadline only.
    """
    try:
        named = parse(owner)
    except ValueError:
        return False
    if deadline is not None and named.machine not in {None, _machine()}:
        return now < deadline
    return named.boot == _boot_id() and _start_time(named.pid) == named.start


def printable(owner: str) -> str:
    """The owner without its machine, for output that people pass on; a text that names none is unchanged."""
    found = _OWNER.fullmatch(owner)
    return owner if found is None or found[4] is None else owner.removesuffix(f":{found[4]}")


@cache
def _boot_id() -> str:
    return _read("/proc/sys/kernel/random/boot_id").strip()


@cache
def _machine() -> str:
    """An id of this machine that is the same after a boot, and from which its machine id cannot be computed.

    machine-id(5) asks programs to keep the id itself private and to use a keyed hash of it, which is made here as in
    sd_id128_get_machine_app_specific(3). A machine without an id (no file, or `uninitialized` as on the first boot of
    an image) is identified by its boot instead: it is another machine after the next boot, when all its processes
    have ended.
    """
    import hmac  # noqa: PLC0415 - front ends that only read owners do without it

    try:
        given = _read(MACHINE_ID).strip()
    except OSError:
        given = ""
    if _ID.fullmatch(given) is None:
        given = _boot_id().replace("-", "")
    digest = bytearray(hmac.digest(bytes.fromhex(given), APPLICATION, "sha256")[:16])
    # The version and variant of a random UUID.
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    return digest.hex()


def _start_time(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat; None when the process has ended."""
    try:
        stat = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    # The command's name may hold spaces and brackets; fields are counted from its last bracket (proc(5)).
    fields = stat[stat.rindex(")") + 2 :].split()
    # A zombie does nothing any more, but its row stays until its parent reaps it.
    return None if fields[0] in "ZX" else fields[19]


def _read(path: str) -> str:
    # A process may call itself by any bytes, hence "replace".
    with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - pathlib costs a client too much
        return file.read()
