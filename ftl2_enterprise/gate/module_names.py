"""Names of modules: the short name, the fully qualified names, and modules that are equivalent."""

from __future__ import annotations

BUILTIN_NAMESPACES: tuple[str, ...] = ("ansible.builtin.", "ansible.legacy.")

RUNS_COMMANDS: frozenset[str] = frozenset({"shell", "command", "raw"})
"""Modules that run an arbitrary command line: a rule about one of them covers all."""


def short_name(module: str) -> str:
    """`ansible.builtin.copy` becomes `copy`; the name of a module of any other collection stays as it is."""
    for namespace in BUILTIN_NAMESPACES:
        if module.startswith(namespace):
            return module.removeprefix(namespace)
    return module


def canonical(module: str) -> str:
    """The one name of the module in effects and permits."""
    return short_name(module)


def spellings(module: str) -> tuple[str, ...]:
    """Every name of the same module, the given one first."""
    short = short_name(module)
    if "." in short:
        return (module,)
    return tuple(dict.fromkeys((module, short, *(namespace + short for namespace in BUILTIN_NAMESPACES))))


def equivalents(module: str) -> tuple[str, ...]:
    """Every name of the module and of the modules that can have the same effect."""
    if short_name(module) not in RUNS_COMMANDS:
        return spellings(module)
    return tuple(name for member in sorted(RUNS_COMMANDS) for name in spellings(member))
