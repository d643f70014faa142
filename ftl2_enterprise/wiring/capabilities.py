"""The capabilities of the service. A new one adds its folders and one line here.

They are found by name and imported on first use: a command that only reads settings loads no handler.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl2_enterprise.supervisor.capability import Capability

NAMES = (
    "loops",
)  # fmt: skip
"""Each names `wiring/NAME/capability.py`, which declares its `CAPABILITY`."""


@cache
def capabilities() -> tuple[Capability, ...]:
    """Every capability, in the order of `NAMES`. Raises TypeError when a module declares something else."""
    # Not at the top: a command that only reads settings needs the names.
    from ftl2_enterprise.supervisor.capability import Capability  # noqa: PLC0415

    found = [import_module(f"{__package__}.{name}.capability").CAPABILITY for name in NAMES]
    for name, one in zip(NAMES, found, strict=True):
        if not isinstance(one, Capability) or one.name != name:
            raise TypeError(f"wiring/{name}/capability.py does not declare the capability {name!r}")
    return tuple(found)
