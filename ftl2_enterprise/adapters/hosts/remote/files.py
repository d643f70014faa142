"""Writes files: compares the content first, then replaces the file atomically, with mode and owner."""

from __future__ import annotations

import base64
import grp
import hashlib
import os
import pwd
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from ftl2_enterprise.adapters.hosts.remote import diffs

UNQUOTED = frozenset({400, 440, 444, 600, 640, 644, 660, 664, 700, 750, 755, 770, 775, 777})
"""Decimal numbers whose digits were meant as octal."""

_WHO = {"u": stat.S_IRWXU, "g": stat.S_IRWXG, "o": stat.S_IRWXO}
_WHAT = {"r": 0o444, "w": 0o222, "x": 0o111}


class TransferFailed(Exception):
    """The reason why a file could not be written, in one sentence."""


def put(request: dict[str, Any]) -> dict[str, Any]:
    """Write the content to `dest`; the result has `changed`. Raises TransferFailed and OSError."""
    content, mode_of_source = _content(request)
    dest = _destination(request)
    before = dest.lstat() if dest.is_symlink() or dest.exists() else None
    if before is not None and not stat.S_ISREG(before.st_mode):
        if stat.S_ISLNK(before.st_mode):
            before = None
        else:
            raise TransferFailed(f"cannot write {dest}: it is not a regular file")
    if before is not None and not request.get("force", True):
        return _describe(dest, changed=False, note="it exists already and force is off")
    desired = _mode(request.get("mode"), before, mode_of_source)
    if request.get("check"):
        return _checked(dest, content, before, request, _Modes(desired, mode_of_source))
    result_extra: dict[str, Any] = {}
    changed = before is None or not _same(dest, content, before.st_size)
    if changed:
        _require_parent(dest, make=bool(request.get("make_parents")))
        if before is not None and request.get("backup"):
            kept = f"{dest}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S~')}"
            shutil.copy2(dest, kept)
            result_extra["backup_file"] = kept
        fresh = desired if desired is not None else (mode_of_source if mode_of_source is not None else None)
        _replace(dest, content, before, fresh)
    if desired is not None and stat.S_IMODE(dest.stat().st_mode) != desired:
        dest.chmod(desired)
        changed = True
    if _own(dest, request.get("owner"), request.get("group")):
        changed = True
    return {**_describe(dest, changed=changed), **result_extra}


def _checked(
    dest: Path, content: bytes, before: os.stat_result | None, request: dict[str, Any], modes: _Modes
) -> dict[str, Any]:
    """What writing would change; nothing is written. With `compare`, both sides in full."""
    compare = bool(request.get("compare"))
    now = None if before is None else _status(before)
    is_same = before is not None and _same(dest, content, before.st_size)
    then = dict(now or {})
    if modes.desired is not None:
        then["mode"] = modes.desired
    elif not is_same:
        then["mode"] = modes.of_source if modes.of_source is not None else then.get("mode", 0o666 & ~_umask())
    for key, kind, field in (("owner", "user", "uid"), ("group", "group", "gid")):
        if request.get(key) not in (None, ""):
            then[field] = _id_of(request[key], kind)
    found: dict[str, Any] = {"changed": not is_same or then != now, "dest": str(dest)}
    if now is None and not request.get("make_parents") and not dest.parent.is_dir():
        if not compare:
            raise TransferFailed(f"cannot write {dest}: the directory {dest.parent} does not exist")
        # What is done before it may make the directory.
        found["note"] = f"the directory {dest.parent} does not exist now"
    if found["changed"]:
        limit = diffs.COMPARED if compare else diffs.SHOWN
        old = dest.read_bytes() if before is not None and before.st_size <= limit else None
        found["diff"] = diffs.changes(
            str(dest), now, then, old, content, is_same=is_same, limit=limit,
            source_is_private=_has_private_source(request),
        )  # fmt: skip
    return found


def _has_private_source(request: dict[str, Any]) -> bool:
    if request.get("source"):
        return not diffs.is_public(request["source"])
    return bool(request.get("source_is_private"))


def _status(of: os.stat_result) -> dict[str, int]:
    return {"mode": stat.S_IMODE(of.st_mode), "uid": of.st_uid, "gid": of.st_gid, "size": of.st_size}


class _Modes(NamedTuple):
    desired: int | None
    of_source: int | None


def parse_mode(mode: Any, base: int = 0) -> int:
    """Permission bits from "0644", 0o644 or "u=rw,go=r". Raises TransferFailed."""
    if isinstance(mode, int):
        # 644 without quotes is octal 1204, with the sticky bit: certainly a mistake.
        if not 0 <= mode <= 0o7777 or mode in UNQUOTED:
            raise TransferFailed(f'cannot use the mode {mode}: write it in quotes, as "0{mode}"')
        return mode
    text = str(mode).strip()
    if text and all(c in "01234567" for c in text.replace("0o", "", 1)):
        return int(text.replace("0o", "", 1), 8) & 0o7777
    return _symbolic(text, base)


def _symbolic(text: str, base: int) -> int:
    bits = base
    for clause in text.split(","):
        operator = next((c for c in clause if c in "=+-"), None)
        if operator is None:
            raise TransferFailed(f'cannot use the mode {text!r}: write it as "0644" or "u=rw,go=r"')
        who, _, what = clause.partition(operator)
        if set(who) - set("ugoa") or set(what) - set(_WHAT):
            raise TransferFailed(f'cannot use the mode {text!r}: write it as "0644" or "u=rw,go=r"')
        mask = sum(_WHO[w] for w in ("ugo" if not who or "a" in who else who))
        value = mask & sum(_WHAT[w] for w in set(what))
        bits = (bits & ~mask) | value if operator == "=" else bits | value if operator == "+" else bits & ~value
    return bits


def _content(request: dict[str, Any]) -> tuple[bytes, int | None]:
    if request.get("source"):
        source = Path(request["source"])
        if not source.is_file():
            raise TransferFailed(f"cannot copy {source}: it is not a file" if source.exists()
                            else f"cannot copy {source}: it does not exist")  # fmt: skip
        if request.get("check") and source.stat().st_size > request["limit"]:
            raise TransferFailed(f"cannot compare {source}: it is larger than {request['limit'] >> 20} MiB")
        return source.read_bytes(), stat.S_IMODE(source.stat().st_mode)
    return base64.b64decode(request["content"]), request.get("source_mode")


def _destination(request: dict[str, Any]) -> Path:
    text = str(request["dest"])
    dest = Path(text).expanduser()
    if dest.is_dir() or text.endswith("/"):
        name = request.get("name")
        if not name:
            raise TransferFailed(f"cannot write content to {text}: it is a directory")
        dest = dest / name
    return Path(os.path.realpath(dest)) if request.get("follow", True) and dest.is_symlink() else dest


def _mode(mode: Any, before: os.stat_result | None, of_source: int | None) -> int | None:
    if mode is None or mode == "":
        return None
    if mode == "preserve":
        return of_source
    return parse_mode(mode, stat.S_IMODE(before.st_mode) if before else 0o666 & ~_umask())


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _same(dest: Path, content: bytes, size: int) -> bool:
    return size == len(content) and dest.read_bytes() == content


def _require_parent(dest: Path, *, make: bool) -> None:
    if make:
        dest.parent.mkdir(parents=True, exist_ok=True)
    elif not dest.parent.is_dir():
        raise TransferFailed(f"cannot write {dest}: the directory {dest.parent} does not exist")


def _replace(dest: Path, content: bytes, before: os.stat_result | None, fresh_mode: int | None) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{dest.name[:100]}.", dir=dest.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if before is not None:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) if fresh_mode is None else fresh_mode)
            else:
                os.fchmod(file.fileno(), 0o666 & ~_umask() if fresh_mode is None else fresh_mode)
        Path(name).replace(dest)
    except PermissionError:
        Path(name).unlink()
        if before is None:
            raise
        # A file of another user that we may write: replacing it would change its owner.
        dest.write_bytes(content)
    except BaseException:
        Path(name).unlink()
        raise


def _own(dest: Path, owner: Any, group: Any) -> bool:
    now = dest.stat()
    uid = now.st_uid if owner in (None, "") else _id_of(owner, "user")
    gid = now.st_gid if group in (None, "") else _id_of(group, "group")
    if (uid, gid) == (now.st_uid, now.st_gid):
        return False
    os.chown(dest, uid, gid)
    return True


def _id_of(name: Any, kind: str) -> int:
    try:
        return int(name) if str(name).isdigit() else (
            pwd.getpwnam(str(name)).pw_uid if kind == "user" else grp.getgrnam(str(name)).gr_gid
        )  # fmt: skip
    except KeyError:
        raise TransferFailed(f"cannot find the {kind} {name}") from None


def _describe(dest: Path, *, changed: bool, note: str | None = None) -> dict[str, Any]:
    now = dest.stat()
    found: dict[str, Any] = {
        "changed": changed, "dest": str(dest), "mode": f"{stat.S_IMODE(now.st_mode):04o}", "size": now.st_size,
        "uid": now.st_uid, "gid": now.st_gid,
        "checksum": hashlib.sha1(dest.read_bytes(), usedforsecurity=False).hexdigest(),
    }  # fmt: skip
    if note:
        found["msg"] = note
    return found
