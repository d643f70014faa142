"""What a capability contributes to the shell, found by folder.

A package of `ctl` may have a module `shell_part` with the `PART`. The shell itself knows the service only: without
any part it reads and completes lines, and reports when the service is lost and when it is back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core import packages

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.verb import Request
    from ftl2_enterprise.render.text import Line, Role


@dataclass(frozen=True, kw_only=True)
class ShellPart[S]:
    """The contribution of one capability: how its state is read, and what the shell shows of it."""

    read: Callable[[CtlSession, S | None], S]
    """Reads the state, from the previous one if there is one. Raises Problem. A thread calls it after each event."""
    reply: Callable[[S, Request[Any]], object] = lambda _state, _request: None
    """The reply to a verb that lists names, taken from the state, so that completion does not wait for the service;
    None for any other verb."""
    toolbar: Callable[[S], Sequence[tuple[str, Role]]] = lambda _state: ()
    """Texts for the line below the input, most important first: those that do not fit are left out."""
    notices: Callable[[S, S, Container[str]], list[Line]] = lambda _before, _now, _shown: []
    """The lines to print above the input because the state has changed. The third argument contains the subjects that
    commands have shown already (`Asker.has_shown`)."""
    greeting: Callable[[S], list[Line]] = lambda _state: []
    """The lines to print when the shell starts."""


type Parts = dict[str, ShellPart[Any]]
"""Parts by the name of their capability."""


def found() -> Parts:
    """The parts of all capabilities."""
    modules = packages.modules_named("shell_part", among="ftl2_enterprise.ctl")
    return {module.split(".")[-2]: packages.load(module).PART for module in modules}
