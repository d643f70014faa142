"""Where a manifest may use its secrets."""

from __future__ import annotations

from ftl2_enterprise.gate import modules as gate_modules
from ftl2_enterprise.protocol.loops.manifest import CopyParams, FileParams, TemplateParams

WHERE = (
    "parameters of actions, the content of copy and the files of templates can use secrets; conditions, checks, "
    "hosts, paths and command lines cannot"
)
_ANY_COMMAND = frozenset({"cmd", "argv", "_raw_params", "free_form"})


def why_not(module: str, param: str, of_path: FileParams | CopyParams | TemplateParams | None) -> str | None:
    """Why this parameter of an action must not have a secret; None if it may.

    `of_path` has the values of `file`, `copy` or `template`.
    """
    if of_path is not None:
        return None if isinstance(of_path, CopyParams) and param == "content" else "cannot be used here"
    known = gate_modules.find(module)
    commands = {*known.commands, *known.programs} if known is not None else set[str]()
    if param in commands or (gate_modules.canonical(module) in gate_modules.RUNS_COMMANDS and param in _ANY_COMMAND):
        return f"cannot be part of {param}: every user of the host can read command lines; use stdin, or a file"
    if known is not None and param in {*known.writes, *known.reads}:
        return f"cannot be part of {param}, which is a path"
    return None
