"""Where a manifest may use its secrets."""

from __future__ import annotations

from ftl2_enterprise.loops.secrets import why_exposed
from ftl2_enterprise.protocol.loops.manifest import CopyParams, FileParams, TemplateParams

WHERE = (
    "parameters of actions, the content of copy and the files of templates can use secrets; conditions, checks, "
    "hosts, paths and command lines cannot"
)


def why_not(module: str, param: str, of_path: FileParams | CopyParams | TemplateParams | None) -> str | None:
    """Why this parameter of an action must not have a secret; None if it may.

    `of_path` has the values of `file`, `copy` or `template`.
    """
    if of_path is not None:
        return None if isinstance(of_path, CopyParams) and param == "content" else "cannot be used here"
    return why_exposed(module, param)
