"""Long texts: stored completely and once, under their SHA-256 digest, and shown by their beginning and end.

Rows of any table share a text: they refer to it by a `NAME_digest` column (`columns.stored`). A capability registers
those columns next to its tables, and `collect` removes a text only when no registered column refers to it. A column
that is not registered still cannot lose its text, because its foreign key refuses the removal.
"""

from __future__ import annotations

import hashlib
import zlib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Column, Integer, LargeBinary, Table, Text, bindparam, delete, select

from ftl2_enterprise.core.shorten import shorten_middle
from ftl2_enterprise.protocol.text import StoredText
from ftl2_enterprise.store.columns import clean
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.store.tx import Tx

SHOWN = 4_096
"""Characters up to which a text is short."""

# Fast rather than small: this runs inside a write transaction, and logs and JSON compress well at any level.
COMPRESSION = 1

texts = Table(
    "texts",
    metadata,
    Column("digest", Text, primary_key=True, nullable=False),
    Column("size", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

_SIZE = Prepared(select(texts.c.size).where(texts.c.digest == bindparam("of")))
_BODY = Prepared(select(texts.c.body).where(texts.c.digest == bindparam("of")))
_BEGINNING = Prepared(
    select(texts.c.digest).where(texts.c.digest >= bindparam("of"), texts.c.digest < bindparam("end")).limit(2)
)
_INSERT = Prepared(lambda driver: driver.insert_or_ignore(texts))


class TextReferrer(NamedTuple):
    """A table and the names of its stored texts, each of which has a column `NAME_digest`."""

    table: Table
    names: tuple[str, ...]


_referrers: dict[TextReferrer, None] = {}
"""In the order of registration. Tables are registered when their module is imported, as they are in the MetaData."""


def register(*referrers: TextReferrer) -> None:
    """Add columns that `collect` checks; registering one twice changes nothing.

    Raises ValueError for a column that the table does not have.
    """
    for table, names in referrers:
        for name in names:
            if f"{name}_digest" not in table.c:
                raise ValueError(f"cannot register the text {table.name}.{name}: there is no column {name}_digest")
    _referrers.update(dict.fromkeys(referrers))


def referrers() -> tuple[TextReferrer, ...]:
    """Every registered referrer, of all capabilities."""
    return tuple(_referrers)


def put(tx: Tx, text: str, limit: int = SHOWN) -> StoredText:
    """Store a text in this transaction: only a text longer than `limit` characters takes a row in `texts`."""
    text = clean(text)
    if len(text) <= limit:
        return StoredText(shown=text, size=len(text))
    return StoredText(shown=shorten_middle(text, limit), digest=put_whole(tx, text), size=len(text))


def put_whole(tx: Tx, text: str) -> str:
    """Store a text of any length, unchanged, in `texts`; returns its digest."""
    body = text.encode()
    digest = hashlib.sha256(body).hexdigest()
    if _SIZE.first(tx, {"of": digest}) is None:
        _INSERT.change(tx, {"digest": digest, "size": len(text), "body": zlib.compress(body, COMPRESSION)})
    return digest


def beginning_with(tx: Tx, beginning: str) -> list[str]:
    """Digests with this prefix, two at most: enough to know whether the prefix is ambiguous."""
    # "g" sorts after every digit of a digest; a range uses the primary key, which LIKE would not.
    return [row[0] for row in _BEGINNING.rows(tx, {"of": beginning, "end": f"{beginning}g"})]


def whole(tx: Tx, text: StoredText) -> str:
    """The complete text. Raises LookupError when the database does not have it."""
    if text.digest is None:
        return text.shown
    found = _BODY.first(tx, {"of": text.digest})
    if found is None:
        raise LookupError(f"the text {text.digest} is not stored")
    return zlib.decompress(found[0]).decode()


def collect(tx: Tx, digests: Iterable[str | None]) -> int:
    """Remove those of the texts to which no row of any referrer refers; returns how many were removed.

    To be called after the rows that referred to them were deleted, in the same transaction. None stands for a short
    text, which has no row.
    """
    candidates = {digest for digest in digests if digest is not None}
    statement = _collection(referrers())
    return sum(statement.change(tx, {"of": digest}) for digest in sorted(candidates))


@cache
def _collection(referring: tuple[TextReferrer, ...]) -> Prepared:
    """A DELETE of one text, unless a row refers to it; each column is found through its index."""
    statement = delete(texts).where(texts.c.digest == bindparam("of"))
    for table, names in referring:
        for name in names:
            column = table.c[f"{name}_digest"]
            statement = statement.where(~select(column).where(column == bindparam("of")).exists())
    return Prepared(statement)
