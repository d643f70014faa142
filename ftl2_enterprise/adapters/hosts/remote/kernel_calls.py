"""System calls for which Python has no functions, through the C library. Each raises OSError."""

from __future__ import annotations

import ctypes
import os
import struct

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 1 << 14, 1 << 18
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 1 << 17, 1 << 25, 1 << 26, 1 << 27
CLONE_NEWUSER, CLONE_NEWPID = 1 << 28, 1 << 29
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_READ, PR_CAPBSET_DROP = 1, 4, 23, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAP_DAC_READ_SEARCH = 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000

_CAPSET = {"x86_64": 126, "aarch64": 91}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_MOUNT_SETATTR, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 442, 444, 445, 446
_CAPABILITY_VERSION = 0x20080522
_LANDLOCK_WRITES = 0b1_1111_1111_0010
"""Writing, removing and making files of every kind, bits 1 and 4 to 12 of linux/landlock.h."""
_LANDLOCK_LATER = ((2, 1 << 13), (3, 1 << 14), (5, 1 << 15))
"""Linking across directories, truncating, and ioctl(2) on devices, with the version that has them."""

_library = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Move this process, or its future children for CLONE_NEWPID, into new namespaces."""
    _check(_library.unshare(flags), "creating namespaces")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system, or change a mount."""
    done = _library.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    _check(done, f"mounting on {target}")


def set_mount(target: str, *, set_: int = 0, clear: int = 0, recursive: bool = False) -> None:
    """Change the attributes of a mount, or of all mounts below it, see mount_setattr(2)."""
    attributes = struct.pack("=QQQQ", set_, clear, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    done = _call(_MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), flags, attributes, len(attributes))
    _check(done, f"changing the mount {target}")


def prctl(option: int, value: int = 0, what: str = "restricting the process") -> int:
    """Change an attribute of this process; returns what the kernel returns."""
    zero = ctypes.c_ulong(0)
    return _check(_library.prctl(option, ctypes.c_ulong(value), zero, zero, zero), what)


def keep_capabilities(kept: int, machine: str) -> None:
    """Drop all capabilities but the bits in `kept`, from the bounding set, too."""
    number = 0
    zero = ctypes.c_ulong(0)
    while _library.prctl(PR_CAPBSET_READ, ctypes.c_ulong(number), zero, zero, zero) >= 0:
        if not kept >> number & 1:
            prctl(PR_CAPBSET_DROP, number, "dropping capabilities")
        number += 1
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    sets = struct.pack("=IIIIII", low, low, 0, high, high, 0)
    _check(_call(_CAPSET[machine], struct.pack("=II", _CAPABILITY_VERSION, 0), sets), "dropping capabilities")


def restrict_writes(places: dict[str, bool], *, network: bool) -> None:
    """Let Landlock refuse every write except below `places`; below those with False only existing files are written.

    A read-only mount does not prevent writing to named pipes and devices; this does.
    """
    version = _check(_call(_LANDLOCK_CREATE, None, 0, 1), "using Landlock")
    handled = _LANDLOCK_WRITES | sum(bit for since, bit in _LANDLOCK_LATER if version >= since)
    fields = [handled]
    if version >= 4:
        fields.append(0 if network else 3)  # binding and connecting TCP sockets
    if version >= 6:
        fields.append(3)  # abstract sockets of other processes, and signals to them
    rules = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _check(_call(_LANDLOCK_CREATE, rules, len(rules), 0), "using Landlock")
    for place, everything in places.items():
        folder = os.open(place, os.O_PATH | os.O_CLOEXEC)
        allowed = handled if everything else handled & (1 << 1 | 1 << 14 | 1 << 15)
        _check(_call(_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", allowed, folder), 0), "using Landlock")
        os.close(folder)
    _check(_call(_LANDLOCK_RESTRICT, ruleset, 0), "using Landlock")
    os.close(ruleset)


def install_filter(program: bytes, machine: str) -> None:
    """Apply a seccomp filter to this process and everything that it starts."""
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    _check(_call(_SECCOMP[machine], 1, 0, header), "filtering system calls")


def _call(number: int, *arguments: int | bytes | None) -> int:
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(_library.syscall(ctypes.c_long(number), *given))


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
