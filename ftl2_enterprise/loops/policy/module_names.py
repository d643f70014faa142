"""What a module is called: short, fully qualified, or by an equal."""

from __future__ import annotations

BUILTIN_NAMESPACES: tuple[str, ...] = ("ansible.builtin.", "ansible.legacy.")

RUNS_COMMANDS: frozenset[str] = frozenset({"shell", "command", "raw"})
"""Modules that run any command line: whoever forbids one means all of them."""


def short_name(module: str) -> str:
    """`ansible.builtin.copy` -> `copy`; names of collections stay whole."""
    for namespace in BUILTIN_NAMESPACES:
        if module.startswith(namespace):
            return module.removeprefix(namespace)
    return module


def spellings(module: str) -> tuple[str, ...]:
    """Every name of the very same module, as given first."""
    short = short_name(module)
    if "." in short:
        return (module,)
    return tuple(dict.fromkeys((module, short, *(namespace + short for namespace in BUILTIN_NAMESPACES))))


def equals(module: str) -> tuple[str, ...]:
    """Every name of the module and of those that can do exactly the same."""
    if short_name(module) not in RUNS_COMMANDS:
        return spellings(module)
    return tuple(name for member in sorted(RUNS_COMMANDS) for name in spellings(member))
