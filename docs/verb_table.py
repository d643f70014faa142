"""Generates `reference/verbs.md` from the declarations of the verbs and of the commands that make them."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.commandline import finder
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.protocol.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.protocol.verb import Request

PAGE = Path(__file__).parent / "reference" / "verbs.md"
_HEAD = """\
# Verbs

A *verb* is one operation of the service, such as `loop.pause`. It is requested over the socket; `ftl2ctl` and the
Python client do that. A user needs the access that the table names ([configuration](configuration.md), `access.*`).

The name of its *request* finds everything about a verb in the source: `PauseLoop` is declared in a file `verbs.py` of
`protocol/`, its handler is the function `pause_loop`, the command declares it in `verbs`, and the test of the command
contains it; only `system.render`, with which `ftl2ctl` gets a finished view, has no command. `HACKING.md` in the
repository shows how to add one.
"""


def handler_name(request: type[Request[Any]]) -> str:
    """The name of the handler: that of the request in lower case, `run_loop_now` for `RunLoopNow`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", request.__name__).lower()


def commands_of(request: type[Request[Any]]) -> list[str]:
    """The commands of `ftl2ctl` that are for this verb; if there is none, those that use it."""
    every = finder.every_command(FTL2CTL)
    return [one.name for one in every if one.verbs[:1] == (request,)] or [
        one.name for one in every if request in one.verbs
    ]


def document() -> str:
    """The page."""
    parts = [_HEAD]
    for package in dict.fromkeys(_package(request) for request in CATALOGUE.values()):
        requests = [request for request in CATALOGUE.values() if _package(request) == package]
        parts.append(f"## {package.capitalize()}\n")
        parts.append("\n".join(_rows(requests)) + "\n")
    return "\n".join(parts)


def _rows(requests: Iterable[type[Request[Any]]]) -> list[str]:
    names = {request: name for name, request in CATALOGUE.items()}
    rows = ["| verb | request | access | command | purpose |", "|---|---|---|---|---|"]
    for request in requests:
        commands = ", ".join(f"`{name}`" for name in commands_of(request)) or "-"
        purpose = (inspect.getdoc(request) or "").partition("\n")[0]
        rows.append(f"| `{names[request]}` | `{request.__name__}` | {request.access} | {commands} | {purpose} |")
    return rows


def _package(request: type[Request[Any]]) -> str:
    """The package of the protocol that declares it: `loops`."""
    return request.__module__.split(".")[2]


if __name__ == "__main__":
    PAGE.write_text(document(), encoding="utf-8")
