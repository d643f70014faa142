"""The freezes in force, as files next to the database: they hold also while the service or the database hangs.

`DATABASE.freezes/ID.freeze` is one freeze, and every process that is about to have an effect reads this directory.
The files decide what is frozen; the table `freezes` has the history, and follows (`supervisor.control.freezes`).
There is one file for each freeze, so that no process has to read, change and write a common one: a process that was
stopped in the middle of its work cannot undo the work of another. A file appears and disappears as a whole, and is on
the disk before the function that makes or removes it returns.

A freeze that has ended leaves `ID.thawed`, which records who ended it, until that is recorded in the database. It is
written before the freeze is removed: with both files, the freeze is in force.

Whatever cannot be read counts as a freeze of everything.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.faults import FaultPoint, reach
from ftl2_enterprise.core.freeze import UNREADABLE, UNUSABLE_POLICY, Freeze, FreezeScope, Thaw
from ftl2_enterprise.core.problem import Code, Problem, invalid, not_found
from ftl2_enterprise.store import private_files
from ftl2_enterprise.store.private_files import PrivateFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FREEZE, THAW = ".freeze", ".thawed"
LARGEST = 64 * 1024
"""Bytes of a file."""
_FREEZES = msgspec.json.Decoder(Freeze)
_THAWS = msgspec.json.Decoder(Thaw)


class FreezeFiles:
    """The files of one database."""

    def __init__(self, database: Path) -> None:
        self._files: PrivateFiles = PrivateFiles(database, private_files.FREEZES)
        self.directory: str = self._files.directory

    def in_force(self) -> Sequence[Freeze]:
        """Every freeze, oldest first, also those whose time has ended. Raises nothing.

        Read anew each time: with no freeze that is one failed system call, or the listing of an empty directory.
        """
        try:
            names = os.listdir(self.directory)  # noqa: PTH208 - asked before each effect
        except FileNotFoundError:
            return ()
        except OSError as error:
            return (self._unreadable(error.strerror or "failed"),)
        names = [name for name in names if name.endswith(FREEZE)] if names else names
        if not names:
            return ()
        try:
            with self._files.opened() as directory:
                found = [one for name in names if (one := _read(directory, name, _FREEZES.decode)) is not None]
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            return (self._unreadable(why or str(error)),)
        found.sort(key=lambda one: (one.since, one.id))
        return found

    def add(self, freeze: Freeze) -> None:
        """Put the freeze in force. Raises Problem; then it is not in force."""
        try:
            self._files.make_directory()
            with self._files.opened() as directory:
                self._write(directory, freeze.id + FREEZE, freeze)
        except OSError as error:
            raise self._refused("freeze", error) from error
        reach(FaultPoint.FREEZE_WRITTEN)

    def remove(self, thaw: Thaw) -> None:
        """End the freeze. One that has ended already stays as it is. Raises Problem; then it is in force."""
        try:
            with self._files.opened() as directory:
                os.stat(thaw.id + FREEZE, dir_fd=directory)
                self._write(directory, thaw.id + THAW, thaw)
                reach(FaultPoint.THAW_WRITTEN)
                os.unlink(thaw.id + FREEZE, dir_fd=directory)
                os.fsync(directory)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._refused("thaw", error) from error
        reach(FaultPoint.FREEZE_REMOVED)

    def thawed(self) -> Sequence[Thaw]:
        """The ends of freezes that are not yet recorded. What cannot be read is left out."""
        found: list[Thaw] = []
        with contextlib.suppress(OSError), self._files.opened() as directory:
            names = os.listdir(directory)  # noqa: PTH208 - of a descriptor
            # With both files the thaw was not completed, and the freeze is in force.
            for name in names:
                if name.endswith(THAW) and name.removesuffix(THAW) + FREEZE not in names:
                    with contextlib.suppress(OSError, ValueError):
                        thaw = _read(directory, name, _THAWS.decode)
                        found += [] if thaw is None else [thaw]
        return found

    def forget(self, freeze_id: str) -> None:
        """Remove what records who ended the freeze: it is recorded. A failure does no harm."""
        with contextlib.suppress(OSError), self._files.opened() as directory:
            os.unlink(freeze_id + THAW, dir_fd=directory)

    def state(self) -> frozenset[str]:
        """The names of the files, to find out whether they have changed."""
        try:
            return frozenset(os.listdir(self.directory))  # noqa: PTH208 - asked twice a second
        except OSError as error:
            return frozenset() if isinstance(error, FileNotFoundError) else frozenset({str(error)})

    def _write(self, directory: int, name: str, value: Freeze | Thaw) -> None:
        body = msgspec.json.encode(value)
        self._files.write(directory, name, body, before=lambda: reach(FaultPoint.FREEZE_UNFINISHED))

    def _unreadable(self, why: str) -> Freeze:
        remedy = "repair or remove what is named there"
        reason = f"the freezes in {self.directory} cannot be read ({why}), so nothing may begin; {remedy}"
        return Freeze(id=UNREADABLE, scope=FreezeScope.ALL, reason=reason, by="ftl2-enterprise", since=0)

    def _refused(self, doing: str, error: OSError) -> Problem:
        why = (error.strerror or "failed").lower()
        return Problem(
            Code.DENIED if isinstance(error, PermissionError) else Code.UNAVAILABLE,
            f"cannot {doing}: {self.directory}: {why}",
            hint="do it as root, or as the user that the database belongs to",
        )


def select(
    found: Sequence[Freeze], freeze_id: str | None, scope: FreezeScope, of: str, *, is_policy_usable: bool = True
) -> list[Freeze]:
    """The freezes with that id, or that cover exactly that. Raises Problem when there is none."""
    if any(one.id == UNREADABLE for one in found):
        raise invalid(
            "cannot thaw: the files of the freezes cannot be read",
            "`ftl2ctl health` and `ftl2-enterprise freezes` report why",
        )
    if freeze_id is not None:
        chosen = [one for one in found if freeze_id and one.id.startswith(freeze_id)]
        if len(chosen) > 1:
            raise invalid(f"cannot thaw {freeze_id!r}: {len(chosen)} freezes have ids that begin so")
    else:
        chosen = [one for one in found if one.scope is scope and one.of.casefold() == of.casefold()]
    if chosen:
        return chosen
    others = ", ".join(f"{one.of or 'everything'} ({one.id})" for one in found)
    named = f"in force are {others}: `thaw ID` ends one of them" if others else ""
    if freeze_id == UNUSABLE_POLICY or (freeze_id is None and scope is FreezeScope.ALL and not is_policy_usable):
        raise invalid(
            "cannot thaw: the site policy cannot be used, and this freeze ends when it is repaired",
            "; ".join(filter(None, ["`ftl2ctl health` reports why; repair it, and reload", named])),
        )
    what = freeze_id if freeze_id is not None else of or "everything"
    raise not_found(f"cannot thaw {what!r}: there is no such freeze", named or "nothing is frozen")


def _read[T](directory: int, name: str, decode: Callable[[bytes], T]) -> T | None:
    """What the file has; None when it has been removed. Raises OSError and ValueError."""
    body = private_files.read(directory, name, LARGEST)
    if body is None:
        return None
    try:
        return decode(body)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{name} is damaged") from error
