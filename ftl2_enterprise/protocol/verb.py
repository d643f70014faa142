"""What a verb is: one declaration, from which the decoder, the access check, the client and the reference follow."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from types import get_original_bases
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from ftl2_enterprise.core.wire import Strict

if TYPE_CHECKING:
    from collections.abc import Callable


class Access(StrEnum):
    """What a caller may do; each one includes those before it."""

    VIEW = "view"
    OPERATE = "operate"
    ADMINISTER = "administer"

    def includes(self, other: Access) -> bool:
        """Whether somebody with this access may do what needs the other."""
        ranks = list(Access)
        return ranks.index(self) >= ranks.index(other)


class Request[R](Strict, frozen=True, kw_only=True):
    """Asks for one thing; the reply is an `R`. The tag of the struct is the verb's name."""

    access: ClassVar[Access] = Access.VIEW
    writes: ClassVar[bool] = False
    """Carried out by whoever writes the database, as one transaction; else it only reads, or asks the processes."""
    starts_work: ClassVar[bool] = False
    """Refused while the service drains."""
    keeps_reply: ClassVar[bool] = False
    """The reply to the request without arguments, which clients repeat, may be kept for a moment while nothing has
    changed. Only for verbs that read the database and the table of children."""


type Ask = Callable[[Request[Any]], Any]
"""Answers a verb that reads, as if a caller had asked for it. Raises Problem."""


class Watch[I](Request[None], frozen=True, kw_only=True):
    """Asks for items of type `I`, as they come, until the caller cancels or nothing can come any more."""


@cache
def name_of(request: type[Request[Any]]) -> str:
    """The verb's name, such as `loop.pause`."""
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
    """Whether the verb is answered by items."""
    return issubclass(request, Watch)
