"""The files that were sent with the revisions of desired states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from ftl2_enterprise.loops.tables import loop_files
from ftl2_enterprise.protocol.text import StoredText
from ftl2_enterprise.store import texts
from ftl2_enterprise.store.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ftl2_enterprise.store.tx import Tx

_INSERT = Prepared(insert(loop_files))
_OF_REVISION = Prepared(
    select(loop_files.c.path, loop_files.c.content_digest).where(loop_files.c.revision_id == bindparam("of"))
)
_ONE = Prepared(
    select(loop_files.c.content_digest).where(
        loop_files.c.revision_id == bindparam("of"), loop_files.c.path == bindparam("at")
    )
)


def add_files(tx: Tx, loop_id: int, revision_id: int, contents: Mapping[str, str]) -> None:
    """Store the content of files of a revision, by path."""
    for path, content in contents.items():
        digest = texts.put_whole(tx, content)
        row = {"loop_id": loop_id, "revision_id": revision_id, "path": path, "content_digest": digest}
        _INSERT.change(tx, row)


def copy_files(tx: Tx, loop_id: int, revision_id: int, to: int, *, only: Collection[str] | None = None) -> None:
    """Give the revision `to` the files of the other one: all of them, or `only` those with these paths."""
    for path, digest in _OF_REVISION.rows(tx, {"of": revision_id}):
        if only is not None and path not in only:
            continue
        _INSERT.change(tx, {"loop_id": loop_id, "revision_id": to, "path": path, "content_digest": digest})


def get_file(tx: Tx, revision_id: int, path: str) -> str | None:
    """The content of one file of the revision; None if it has none with that path."""
    digest = _ONE.scalar(tx, {"of": revision_id, "at": path})
    return None if digest is None else texts.whole(tx, StoredText(shown="", digest=digest, size=0))


def get_files(tx: Tx, revision_id: int) -> dict[str, str]:
    """The content of each file of the revision, by path."""
    return {
        path: texts.whole(tx, StoredText(shown="", digest=digest, size=0))
        for path, digest in _OF_REVISION.rows(tx, {"of": revision_id})
    }
