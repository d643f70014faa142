"""Actions of `file`, `copy` and `template`: the desired state of their path, and the parameters that produce it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftl2_enterprise.adapters.deciders.manifest import file_checks, template as manifest_template
from ftl2_enterprise.adapters.deciders.manifest.file_checks import DesiredPath
from ftl2_enterprise.adapters.deciders.manifest.template import CannotRender
from ftl2_enterprise.protocol.loops.manifest import FileParams, TemplateParams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl2_enterprise.adapters.deciders.manifest.resolve import ResolvedAction


def path_of(params: Mapping[str, Any]) -> tuple[str, Any]:
    """The parameter that names the path, and its value: `path` of file, `dest` of copy and template."""
    key = "path" if "path" in params else "dest"
    return key, params.get(key)


def path_fault(path: Any) -> str | None:
    """The reason why a value is not a valid path on a host, or None."""
    if not isinstance(path, str) or not path.startswith("/"):
        return f"the path {path!r} is not absolute"
    if any(ord(character) < 32 for character in path):
        return f"the path {path!r} has control characters"
    return None


def mode_fault(mode: Any) -> str | None:
    """The reason why a value is not a valid mode, or None."""
    if mode is not None and file_checks.octal(mode) is None:
        return f"the mode {mode!r} is not octal digits, as in 0644"
    return None


def desired_path(
    action: ResolvedAction, scope: Mapping[str, Any], reveal: Callable[[str], str]
) -> tuple[DesiredPath, dict[str, Any]]:
    """The desired state of the action's path on a host, and the parameters of file or copy that produce it.

    The digest is that of the content with its secrets, which the parameters only refer to.

    Raises CannotRender, also for a rendered path or mode that is invalid.
    """
    params: dict[str, Any] = manifest_template.render(dict(action.params), scope)
    _, path = path_of(params)
    mode = params.get("mode")
    if fault := path_fault(path) or mode_fault(mode):
        raise CannotRender(fault)
    if mode is not None:
        params["mode"] = f"{file_checks.octal(mode):04o}"
    bits = file_checks.octal(mode) if mode is not None else None
    owner, group = params.get("owner"), params.get("group")
    if isinstance(action.path_params, FileParams):
        target = str(params["src"]) if "src" in params else None
        state = action.path_params.state
        return DesiredPath(path=path, state=state, mode=bits, owner=owner, group=group, target=target), params
    content = _content(action, params, scope)
    placed = {key: params[key] for key in ("mode", "owner", "group") if key in params}
    desired = DesiredPath(
        path=path, mode=bits, owner=owner, group=group, digest=file_checks.digest_of(reveal(content))
    )
    return desired, {"dest": path, "content": content, **placed}


def _content(action: ResolvedAction, params: Mapping[str, Any], scope: Mapping[str, Any]) -> str:
    if isinstance(action.path_params, TemplateParams):
        try:
            return manifest_template.render_file(action.text or "", {**params.get("variables", {}), **scope})
        except CannotRender as error:
            raise CannotRender(f"the template {action.path_params.src!r}: {error}") from None
    return action.text if action.text is not None else str(params["content"])
