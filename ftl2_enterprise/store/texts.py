"""Long texts: stored whole once, by their digest, and shown by their beginning and end."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

from sqlalchemy import Column, Integer, LargeBinary, Table, Text, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from ftl2_enterprise.protocol.loops.nouns import StoredText
from ftl2_enterprise.store.columns import clean
from ftl2_enterprise.store.prepared import Prepared
from ftl2_enterprise.store.schema import metadata

if TYPE_CHECKING:
    from ftl2_enterprise.store.tx import Tx

SHOWN = 4_096
"""Characters up to which a text is short."""

# Fast rather than small: this runs inside a write transaction, and logs and JSON shrink well at any level.
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
    select(texts.c.digest).where(texts.c.digest >= bindparam("of"), texts.c.digest < bindparam("behind")).limit(2)
)
_INSERT = Prepared(insert(texts).on_conflict_do_nothing())


def shorten(text: str, *, limit: int = SHOWN) -> str:
    """The text itself when short, else its beginning and end with how much lies between."""
    if len(text) <= limit:
        return text
    head, tail = limit - limit // 4, limit // 4
    return f"{text[:head]}\n... {len(text) - head - tail} characters left out ...\n{text[len(text) - tail :]}"


def put(tx: Tx, text: str, limit: int = SHOWN) -> StoredText:
    """Keep a text: a long one is stored whole in the same transaction."""
    text = clean(text)
    if len(text) <= limit:
        return StoredText(shown=text, size=len(text))
    body = text.encode()
    digest = hashlib.sha256(body).hexdigest()
    if _SIZE.first(tx, {"of": digest}) is None:
        _INSERT.change(tx, {"digest": digest, "size": len(text), "body": zlib.compress(body, COMPRESSION)})
    return StoredText(shown=shorten(text, limit=limit), digest=digest, size=len(text))


def beginning_with(tx: Tx, beginning: str) -> list[str]:
    """Digests that begin so, two at most: enough to tell whether it is the only one."""
    # Behind every digit of a digest; a range finds the rows through the primary key, which LIKE would not.
    return [row[0] for row in _BEGINNING.rows(tx, {"of": beginning, "behind": f"{beginning}g"})]


def whole(tx: Tx, text: StoredText) -> str:
    """The text as it was put."""
    if text.digest is None:
        return text.shown
    found = _BODY.first(tx, {"of": text.digest})
    if found is None:
        raise LookupError(f"the text {text.digest} is not stored")
    return zlib.decompress(found[0]).decode()
