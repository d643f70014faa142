"""The declaration of a verb, from which the decoder, the access check, the client and the reference are derived."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from types import get_original_bases
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

from msgspec import Meta

from ftl2_enterprise.core.wire import Strict

if TYPE_CHECKING:
    from collections.abc import Callable


class Access(StrEnum):
    """The access of a caller; each level includes the previous ones."""

    VIEW = "view"
    OPERATE = "operate"
    ADMINISTER = "administer"

    def includes(self, other: Access) -> bool:
        """Whether this access is sufficient for what needs the other."""
        ranks = list(Access)
        return ranks.index(self) >= ranks.index(other)


class Request[R](Strict, frozen=True, kw_only=True):
    """A request whose reply is an `R`. The tag of the struct is the name of the verb."""

    access: ClassVar[Access] = Access.VIEW
    writes: ClassVar[bool] = False
    """Executed by the writer as one transaction; other verbs only read, or query the processes."""
    starts_work: ClassVar[bool] = False
    """Refused while the service drains."""
    keeps_reply: ClassVar[bool] = False
    """The reply to the request without arguments, which clients repeat, may be kept for a moment while nothing has
    changed. Only for verbs that read the database and the table of children."""


type Reference = Annotated[str, Meta(max_length=1000)]
"""A name, a prefix of one, or an id, as people write it. Limited, because it is compared and repeated in messages."""
type RowId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""The id of a row; the database has no larger integers."""
type EventId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""The id of an event; 0 is before the first one."""
type Ask = Callable[[Request[Any]], Any]
"""Calls the handler of a verb that reads, with the access of the caller. Raises Problem."""


class Watch[I](Request[None], frozen=True, kw_only=True):
    """A request for items of type `I` as they arrive, until the caller cancels or the items end."""


@cache
def name_of(request: type[Request[Any]]) -> str:
    """The verb's name, `NOUN.VERB`."""
    tag = request.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


@cache
def reply_of(request: type[Request[Any]]) -> Any:
    """The type of the reply, or of each item of a watch."""
    (base,) = get_original_bases(request)
    (reply,) = get_args(base)
    return reply


def is_watch(request: type[Request[Any]]) -> bool:
    """Whether the reply to the verb is a stream of items."""
    return issubclass(request, Watch)
