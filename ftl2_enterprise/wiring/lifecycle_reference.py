"""The page of the reference with every lifecycle: `python -m ftl2_enterprise.wiring.lifecycle_reference`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.core import packages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl2_enterprise.core.state_machine import Machine

_HEAD = """\
# Lifecycles

Made from `ftl2_enterprise/*/lifecycle.py` by `make reference`.
"""


def document() -> str:
    """The page with the diagrams of the lifecycles of each capability that has any, in Markdown."""
    found = [packages.load(name) for name in packages.modules_named("lifecycle", among=packages.ROOT)]
    return "".join([_HEAD, *(section(module.TITLE, module.MACHINES) for module in found)])


def section(title: str, machines: Iterable[Machine[Any, Any]]) -> str:
    """The part of the page about one capability."""
    return "".join([f"\n## {title}\n", *(_diagram(machine) for machine in machines)])


def _diagram(machine: Machine[Any, Any]) -> str:
    lines = [f"    [*] --> {machine.initial}"]
    lines += [
        f"    {state} --> {target}: {event}"
        for state, moves in machine.table.items()
        for event, target in moves.items()
    ]
    lines += [f"    {state} --> [*]" for state in machine.final_states]
    drawing = "\n".join(lines)
    return f"\n### {machine.name.capitalize()}\n\n```mermaid\nstateDiagram-v2\n{drawing}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(document())
