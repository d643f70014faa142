"""The person who makes a request, as the service identifies them: never what the client reports."""

from __future__ import annotations

from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.verb import Access


class Caller(Wire, frozen=True):
    """A person, by the user id of the peer of the socket; the last argument of the handlers that need one."""

    uid: int
    name: str
    access: Access | None = None
    """The most that the settings permit them."""
    groups: list[str] = []
    """Names of their Unix groups; the number of a group without a name."""
