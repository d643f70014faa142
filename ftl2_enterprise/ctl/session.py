"""The session of a command: its streams, its connection to the service, and how commands are typed here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ftl2_enterprise import client
from ftl2_enterprise.core import paths
from ftl2_enterprise.core.clock import Instant, SystemClock
from ftl2_enterprise.core.problem import unavailable
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.protocol.verb import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Self

    from ftl2_enterprise.client import Client, Waits
    from ftl2_enterprise.ctl.prompter import Asker
    from ftl2_enterprise.protocol.verb import Request, Watch
    from ftl2_enterprise.render.colour import Painter
    from ftl2_enterprise.render.text import Line
    from ftl2_enterprise.render.view import ViewContent


class CtlSession:
    """The session of one command; it connects with the first call. It is the `ViewReader` of views."""

    def __init__(
        self,
        *,
        out: Painter,
        socket: str | None = None,
        wants_json: bool = False,
        asker: Asker | None = None,
        is_shell: bool = False,
        variables: Mapping[str, str] | None = None,
        within: float = client.TIMEOUT,
        waits: Waits | None = None,
    ) -> None:
        """`within` is how many seconds the service may take to accept the connection, and for each reply.

        `waits` is called when that takes long.
        """
        self._waits: Waits | None = waits
        self._within: float = within
        self.out: Painter = out
        self.wants_json: bool = wants_json
        self.is_shell: bool = is_shell
        """Commands are typed into the shell, without the name of the program."""
        self._asker: Asker | None = asker
        self.variables: Mapping[str, str] = os.environ if variables is None else variables
        self.socket: str | None = socket
        """The value of --socket."""
        self._client: Client | None = None

    # --- the service -----------------------------------------------------------------------------------------------

    def call[R](self, request: Request[R], *, timeout: float | None = None) -> R:
        """Make a request. Raises Problem.

        A request that only reads is repeated once when the connection is lost, because a service that is upgraded, or
        whose control process was restarted, answers on the next connection.
        """
        try:
            return self._connected().call(request, timeout=timeout)
        except client.ConnectionLost:
            if request.access is not Access.VIEW:
                raise
            self.close()
            return self._connected().call(request, timeout=timeout)

    def watch[I](self, request: Watch[I]) -> Generator[I]:
        """Watch on a separate connection, so that calls can be made in the meantime. Raises Problem."""
        connection = self.connect()
        try:
            yield from connection.watch(request)
        finally:
            connection.close()

    def connect(self) -> Client:
        """A connection that the caller closes. Raises Problem."""
        path = socket_path(self.socket, self.variables)
        try:
            return client.connect(path, self._within, program=FTL2CTL.name, waits=self._waits)
        except client.ConnectionLost:
            # The service ended during the greeting. Nothing was requested yet, and its successor may be there.
            return client.connect(path, self._within, program=FTL2CTL.name, waits=self._waits)

    def reach(self) -> None:
        """Connect, if it is not connected. Raises Problem."""
        self._connected()

    def _connected(self) -> Client:
        if self._client is None:
            self._client = self.connect()
        return self._client

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- output ----------------------------------------------------------------------------------------------------

    def now(self) -> Instant:
        """The current time."""
        return SystemClock().now()

    @property
    def room(self) -> int | None:
        """Maximum width of a table in columns; None when the output is not a terminal."""
        return self.out.room

    def command(self, words: str) -> str:
        """A command as it is typed here, with the same socket."""
        if self.is_shell:
            return words
        where = f" --socket {self.socket}" if self.socket else ""
        return f"{FTL2CTL.name}{where} {words}"

    @property
    def asker(self) -> Asker | None:
        """The prompter of a command that has a question; None without a terminal."""
        if self._asker is None:
            from ftl2_enterprise.ctl import prompter  # noqa: PLC0415 - most commands ask nothing

            self._asker = prompter.here(self.out)
        return self._asker

    def print(self, lines: Line | Iterable[Line]) -> None:
        """Print lines for people."""
        self.out.print(lines)

    def view(self, view: ViewContent) -> int:
        """Print a view, for people or for programs; returns the exit status of success."""
        self.reply(view.document, view.lines)
        return 0

    def reply(self, value: Any, lines: Callable[[], Line | Iterable[Line]]) -> None:
        """Print a result: its document for programs, else its lines for people."""
        if self.wants_json:
            self.document(value)
        else:
            self.print(lines())

    def document(self, value: Any) -> None:
        """Print one JSON document."""
        from ftl2_enterprise.render import json_output  # noqa: PLC0415 - for programs only

        self.out.stream.write(json_output.text(json_output.document(value)) + "\n")
        self.out.stream.flush()

    def item(self, value: Any) -> None:
        """Print JSON on one line; more may follow."""
        from ftl2_enterprise.render import json_output  # noqa: PLC0415

        self.out.stream.write(json_output.compact(json_output.document(value)) + "\n")
        self.out.stream.flush()


def socket_path(given: str | None, variables: Mapping[str, str]) -> str:
    """The socket of the service: as given, from a variable, else the system's or this user's own.

    Raises Problem(unavailable) when there is none.
    """
    found = given or paths.client_socket(variables)
    if found:
        return found
    expected = " or ".join(paths.expected_sockets(variables))
    raise unavailable(
        f"cannot reach the service: there is no socket at {expected}",
        "start it with `systemctl start ftl2-enterprise`, or `ftl2-enterprise supervise` without systemd",
    )
