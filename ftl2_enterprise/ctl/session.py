"""What the commands of one call share: the streams, the connection, how to name this program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ftl2_enterprise import client
from ftl2_enterprise.core import paths
from ftl2_enterprise.core.clock import Instant, SystemClock
from ftl2_enterprise.core.problem import unavailable
from ftl2_enterprise.ctl.registry import PROGRAM
from ftl2_enterprise.protocol.verb import Access
from ftl2_enterprise.render.text import Line, Role, line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Self

    from ftl2_enterprise.client import Client, Waits
    from ftl2_enterprise.ctl.prompter import Asker
    from ftl2_enterprise.protocol.verb import Request, Watch
    from ftl2_enterprise.render.colour import Painter

HELLO = PROGRAM


class Session:
    """One for each command; it connects when something is asked for."""

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
        """`within` is how many seconds the service may take to answer, once it is connected to too.

        `waits` is called when it takes long.
        """
        self._waits: Waits | None = waits
        self._within: float = within
        self.out: Painter = out
        self.wants_json: bool = wants_json
        self.is_shell: bool = is_shell
        """The commands are typed into the shell, without the name of the program."""
        self._asker: Asker | None = asker
        self.variables: Mapping[str, str] = os.environ if variables is None else variables
        self.socket: str | None = socket
        """As it was given."""
        self._client: Client | None = None

    # --- the service -----------------------------------------------------------------------------------------------

    def call[R](self, request: Request[R], *, timeout: float | None = None) -> R:
        """Ask the service. Raises Problem.

        What only looks is asked once more when the connection is lost: a service that is upgraded, or whose control
        process was started again, answers the next one.
        """
        try:
            return self._connected().call(request, timeout=timeout)
        except client.ConnectionLost:
            if request.access is not Access.VIEW:
                raise
            self.close()
            return self._connected().call(request, timeout=timeout)

    def watch[I](self, request: Watch[I]) -> Generator[I]:
        """Watch on a connection of its own, so that calls can be made meanwhile. Raises Problem."""
        connection = self.connect()
        try:
            yield from connection.watch(request)
        finally:
            connection.close()

    def connect(self) -> Client:
        """A connection that the caller closes. Raises Problem."""
        path = socket_path(self.socket, self.variables)
        try:
            return client.connect(path, self._within, program=HELLO, waits=self._waits)
        except client.ConnectionLost:
            # It stopped to serve while it was greeted. Nothing has been asked yet, and the next one may be there.
            return client.connect(path, self._within, program=HELLO, waits=self._waits)

    def _connected(self) -> Client:
        if self._client is None:
            self._client = self.connect()
        return self._client

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- people and programs ---------------------------------------------------------------------------------------

    def now(self) -> Instant:
        """The time."""
        return SystemClock().now()

    @property
    def asker(self) -> Asker | None:
        """Who is asked when something is to be known from a person; None when nobody is there."""
        if self._asker is None:
            from ftl2_enterprise.ctl import prompter  # noqa: PLC0415 - most commands ask nothing

            self._asker = prompter.here(self.out)
        return self._asker

    def print(self, lines: Line | Iterable[Line]) -> None:
        """Lines for people."""
        self.out.print(lines)

    def reply(self, value: Any, lines: Callable[[], Line | Iterable[Line]]) -> None:
        """What a command has found or done: a document for programs, else its lines for people."""
        if self.wants_json:
            self.document(value)
        else:
            self.print(lines())

    def document(self, value: Any) -> None:
        """One JSON document for programs."""
        from ftl2_enterprise.render import json_output  # noqa: PLC0415 - not needed for people

        self.out.stream.write(json_output.text(json_output.document(value)) + "\n")
        self.out.stream.flush()

    def item(self, value: Any) -> None:
        """One line of JSON, when more may follow."""
        from ftl2_enterprise.render import json_output  # noqa: PLC0415

        self.out.stream.write(json_output.compact(json_output.document(value)) + "\n")
        self.out.stream.flush()

    def command(self, words: str) -> str:
        """How a command is typed here."""
        if self.is_shell:
            return words
        where = f" --socket {self.socket}" if self.socket else ""
        return f"{PROGRAM}{where} {words}"

    def offer(self, what: str, words: str, *, indent: int = 0) -> Line:
        """A line with what can be done next, and the command that does it."""
        return line((f"{what}: ", Role.FAINT), (self.command(words), Role.COMMAND), indent=indent)


def socket_path(given: str | None, variables: Mapping[str, str]) -> str:
    """Where the service is expected: as given, as a variable says, else the system's or this user's own.

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
