"""The seccomp filter of the sandbox, as a program for the kernel's classic BPF machine (see seccomp(2)).

A read-only mount does not prevent a connection to a socket, so the filter allows no socket families that reach
another process. Namespaces and capabilities already prevent most of the other denied calls; the filter is the second
lock.
"""

from __future__ import annotations

import errno
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Instruction = tuple[int, int, int, int]

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000
"""System calls of the x32 interface have this bit."""
NEW_NAMESPACES = 0x7E020000
AF_INET, AF_INET6, AF_NETLINK = 2, 10, 16
NETLINK_ROUTE, NETLINK_SOCK_DIAG = 0, 4
SOCK_STREAM, SOCK_SEQPACKET = 1, 5
TIOCSTI, TIOCLINUX, TIOCSETD = 0x5412, 0x541C, 0x5423
FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR = 0x40086602, 0x401C5820
REQUESTS_DENIED = (TIOCSTI, TIOCLINUX, TIOCSETD, FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR)
F_SETLEASE = 1024

DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "create_module": (174, None),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "iopl": (172, None),
    "ioperm": (173, None), "uselib": (134, None), "lookup_dcookie": (212, 18), "nfsservctl": (180, 42),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "setns": (308, 268), "unshare": (272, 97), "personality": (135, 92), "pidfd_getfd": (438, 438),
    "clock_settime": (227, 112), "settimeofday": (164, 170), "sethostname": (170, 161), "setdomainname": (171, 162),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "vhangup": (153, 58),
    "lsm_set_self_attr": (460, 460),
}  # fmt: skip
"""Numbers on x86_64 and aarch64 of the calls that fail with EPERM."""
ATTRIBUTES = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "file_setattr": (469, 469),
}  # fmt: skip
"""Calls that change attributes of a file, and that are not subject to Landlock.

A forked process has its program open on the host's own mounts, where /proc/self/exe leads. An executed one has not.
"""
SOCKET, SOCKETPAIR, CLONE, CLONE3 = (41, 198), (53, 199), (56, 220), (435, 435)
IOCTL, FCNTL = (16, 29), (72, 25)

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE = 0, 4
_STOP = (_RETURN, 0, 0, _ALLOW)
_REFUSE = (_RETURN, 0, 0, _ERROR | errno.EPERM)


def program(machine: str, *, network: bool, is_forked: bool) -> bytes:
    """The filter for a machine of ARCHITECTURES.

    With `network`, sockets of the internet are allowed; with `is_forked`, attributes of files cannot be changed.
    """
    column = list(ARCHITECTURES).index(machine)
    found: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, ARCHITECTURES[machine]), (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, X32), (_RETURN, 0, 0, _KILL),
    ]  # fmt: skip
    families = (AF_INET, AF_INET6) if network else ()
    for numbers, rules in (
        (SOCKET, [
            (_LOAD, 0, 0, _argument(0)), *_allow(families), (_EQUAL, 1, 0, AF_NETLINK), _REFUSE,
            (_LOAD, 0, 0, _argument(2)), *_allow((NETLINK_ROUTE, NETLINK_SOCK_DIAG)), _REFUSE,
        ]),
        # A pair of datagram sockets could send to the address of any other one.
        (SOCKETPAIR, [
            (_LOAD, 0, 0, _argument(1)), (_AND, 0, 0, 0xF), *_allow((SOCK_STREAM, SOCK_SEQPACKET)), _REFUSE,
        ]),
        (CLONE, [(_LOAD, 0, 0, _argument(0)), (_ANY_BIT, 0, 1, NEW_NAMESPACES), _REFUSE, _STOP]),
        # Its flags are in memory, where a filter cannot read them; the C library then uses clone.
        (CLONE3, [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)]),
        (IOCTL, [(_LOAD, 0, 0, _argument(1)), *_refuse(REQUESTS_DENIED), _STOP]),
        (FCNTL, [(_LOAD, 0, 0, _argument(1)), *_refuse((F_SETLEASE,)), _STOP]),
    ):  # fmt: skip
        found += [(_EQUAL, 0, len(rules), numbers[column]), *rules]
    found += _refuse([number for numbers in DENIED.values() if (number := numbers[column]) is not None])
    if is_forked:
        read_only = (_RETURN, 0, 0, _ERROR | errno.EROFS)
        for numbers in ATTRIBUTES.values():
            number = numbers[column]
            if number is not None:
                found += [(_EQUAL, 0, 1, number), read_only]
    found.append(_STOP)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in found)


def _argument(index: int) -> int:
    """The place of the lower half of an argument; both machines are little-endian."""
    return 16 + 8 * index


def _allow(values: Sequence[int]) -> list[Instruction]:
    return [one for value in values for one in ((_EQUAL, 0, 1, value), _STOP)]


def _refuse(values: Sequence[int]) -> list[Instruction]:
    return [one for value in values for one in ((_EQUAL, 0, 1, value), _REFUSE)]
