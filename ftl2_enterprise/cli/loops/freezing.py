"""Freezes without the service: the files of the database, which every process reads, are changed directly."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.loops import freezing
from ftl2_enterprise.core.freeze import FreezeScope
from ftl2_enterprise.core.problem import Problem, not_found

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.core.freeze import Freeze
    from ftl2_enterprise.protocol.service.verbs import FreezeRecord
    from ftl2_enterprise.render.text import Line
    from ftl2_enterprise.store.freeze_files import FreezeFiles


def files(session: CliSession) -> FreezeFiles:
    """The files of the database of the settings. Raises Problem when there is no such database."""
    from ftl2_enterprise.store.freeze_files import FreezeFiles  # noqa: PLC0415 - not needed for help

    path = Path(session.settings.store.path)
    if not path.exists():
        raise not_found(f"cannot freeze or thaw: there is no database {path}", "give --db, as the service has it")
    return FreezeFiles(path)


def caller() -> str:
    """Who runs this command, as the service names those who call it."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return f"{name} (uid {uid}, pid {os.getpid()})"


def selected(session: CliSession, given: GivenValues, doing: str) -> tuple[FreezeScope, str]:
    """What the options name, with the loop as its subject. Raises Problem."""
    scope, of = freezing.selected(given, doing)
    return (scope, _subject(session, of)) if scope is FreezeScope.SUBJECT else (scope, of)


def _subject(session: CliSession, of: str) -> str:
    from ftl2_enterprise.loops.rows import loop_names  # noqa: PLC0415

    ref = of.partition(":")[2]
    try:
        with session.open_store().read() as tx:
            return loop_names.find_subject(tx, ref)
    except Problem:
        # The database may be what is out of order; an id identifies which loop it is.
        if ref.isascii() and ref.isdigit():
            return of
        raise


def warnings(session: CliSession, made: Freeze) -> list[Line]:
    """The warning about a name that no loop has, as far as the database and the inventories can be read."""
    from ftl2_enterprise.render.loops.inventory import unknown_target_lines  # noqa: PLC0415 - not needed for help
    from ftl2_enterprise.wiring.loops import host_names  # noqa: PLC0415

    if made.scope is not FreezeScope.TARGET:
        return []
    try:
        with session.open_store().read() as tx:
            found = host_names.match(tx, made.of)
    except Problem:
        return []
    return unknown_target_lines(made.of, found.close) if found.known is False else []


def records(session: CliSession, found: Iterable[Freeze]) -> list[FreezeRecord]:
    """The freezes with the names of the loops that they cover, as far as the database can be read."""
    from ftl2_enterprise.loops.rows import loop_names  # noqa: PLC0415
    from ftl2_enterprise.protocol.service.verbs import FreezeRecord  # noqa: PLC0415

    listed = list(found)
    names: dict[str, str | None] = {}
    try:
        with session.open_store().read() as tx:
            for one in listed:
                number = one.of.partition(":")[2]
                if one.scope is FreezeScope.SUBJECT and number.isdecimal():
                    names[one.of] = loop_names.find_name(tx, int(number))
    except Problem:
        names = {}
    return [FreezeRecord(freeze=one, name=names.get(one.of)) for one in listed]
