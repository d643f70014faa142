"""Translates a module call into a request for the code on the managed host. Raises CannotPlan for bad parameters."""

from __future__ import annotations

import base64
import shlex
import stat
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from ftl2_enterprise.adapters.hosts.module_catalogue import NATIVE
from ftl2_enterprise.adapters.hosts.remote import diffs, files
from ftl2_enterprise.adapters.hosts.remote.observing import parameters

type Request = dict[str, Any]

COMMAND_PARAMETERS = frozenset(
    [
        "cmd",
        "_raw_params",
        "free_form",
        "argv",
        "chdir",
        "creates",
        "removes",
        "stdin",
        "stdin_add_newline",
        "strip_empty_ends",
        "executable",
        "environment",
        "timeout",
        "check",
    ]
)
COPY_PARAMETERS = frozenset(
    ["src", "content", "dest", "mode", "owner", "group", "force", "backup", "remote_src", "follow", "emit_events"]
)
TEMPLATE_PARAMETERS = frozenset(
    [
        "src",
        "content",
        "dest",
        "variables",
        "vars",
        "mode",
        "owner",
        "group",
        "force",
        "backup",
        "follow",
        "trim_blocks",
        "lstrip_blocks",
    ]
)
COMMAND_TEXTS = ("cmd", "_raw_params", "free_form")
CONTENT_LIMIT = 32 * 1024 * 1024
"""Bytes of content that fit into one message of FTL2's gate."""


class CannotPlan(Exception):
    """The parameters are invalid; the message is one sentence."""


def command(name: str, params: Mapping[str, Any]) -> Request:
    """`command` and `shell` are equal: as in FTL2, a text is executed by /bin/sh and `argv` without a shell."""
    _known(name, params, COMMAND_PARAMETERS)
    text, argv = _text_and_argv(params)
    if (text is None) == (argv is None) or (argv is not None and (isinstance(argv, str) or not argv)):
        raise CannotPlan(f"cannot run {name}: give either cmd, a text, or argv, a list")
    words = [str(word) for word in cast("Sequence[Any]", argv or ())]
    given = params.get("stdin")
    if given is not None and params.get("stdin_add_newline", True):
        given = f"{given}\n"
    if any("\0" in part for part in (str(text), *words)):
        raise CannotPlan(f"cannot run {name}: the command contains a zero byte")
    environment: Any = params.get("environment") or {}
    if not isinstance(environment, Mapping):
        raise CannotPlan(f"cannot run {name}: environment has to be a mapping")
    return {
        "kind": "command",
        "argv": words or [str(params.get("executable") or "/bin/sh"), "-c", str(text)],
        **{key: str(params[key]) for key in ("chdir", "creates", "removes") if params.get(key)},
        "stdin": given,
        "environment": {str(k): str(v) for k, v in cast("Mapping[Any, Any]", environment).items()},
    }  # fmt: skip


def shown_command(params: Mapping[str, Any]) -> str:
    """The command as it is shown to people."""
    text, argv = _text_and_argv(params)
    return str(text) if argv is None else shlex.join(str(word) for word in cast("Sequence[Any]", argv))


def _text_and_argv(params: Mapping[str, Any]) -> tuple[Any, Any]:
    text: Any = next((params[key] for key in COMMAND_TEXTS if params.get(key) is not None), None)
    argv: Any = params.get("argv")
    if isinstance(text, list) and argv is None:
        return None, cast("list[Any]", text)
    return cast("Any", text), argv


def copy(params: Mapping[str, Any]) -> Request:
    """Content, or a file of this machine, to `dest`; with `remote_src` a file of the managed host."""
    _known("copy", params, COPY_PARAMETERS)
    src, content = params.get("src"), params.get("content")
    if (src is None) == (content is None):
        raise CannotPlan("cannot copy: give either src or content")
    request = _put("copy", params)
    if content is not None:
        return {**request, **_inline(as_bytes(content))}
    if params.get("remote_src"):
        return {**request, "source": str(src), "name": Path(str(src)).name}
    source = Path(str(src)).expanduser()
    return {**request, **_inline(read_source("copy", source)), "name": source.name,
            "source_mode": stat.S_IMODE(source.stat().st_mode),
            "source_is_private": not diffs.is_public(source)}  # fmt: skip


def template(params: Mapping[str, Any], *, host: str) -> tuple[Request, Request]:
    """The request to render on this machine, and the one to write the result, whose content is still missing."""
    _known("template", params, TEMPLATE_PARAMETERS)
    src, content = params.get("src"), params.get("content")
    if (src is None) == (content is None):
        raise CannotPlan("cannot render a template: give either src or content")
    variables: Any = params.get("variables", params.get("vars")) or {}
    if not isinstance(variables, Mapping):
        raise CannotPlan("cannot render a template: variables has to be a mapping")
    source = Path(str(src)).expanduser() if src is not None else None
    text = str(content) if source is None else read_source("template", source).decode("utf-8", "replace")
    render = {
        "kind": "render", "template": text, "name": str(source or "the template"),
        "directory": str(source.absolute().parent) if source else None,
        "variables": {"inventory_hostname": host, **cast("Mapping[str, Any]", variables)},
        "options": {key: bool(params.get(key)) for key in ("trim_blocks", "lstrip_blocks")},
    }  # fmt: skip
    name = source.name.removesuffix(".j2") if source else None
    is_private = source is not None and not diffs.is_public(source)
    return render, {**_put("template", params), "name": name, "make_parents": True, "source_is_private": is_private}


def observation(name: str, params: Mapping[str, Any]) -> Request:
    """A request for a built-in observation, whose parameters are validated here and again on the host."""
    try:
        parameters.validated(name, params)
    except parameters.CannotObserve as error:
        raise CannotPlan(str(error)) from error
    return {"kind": "observe", "module": name, "params": dict(params)}


def native(name: str, params: Mapping[str, Any]) -> Request:
    """A request for one of FTL2's own modules, which are functions."""
    module, function = NATIVE[name]
    given = dict(params)
    if given.get("mode") is not None:  # FTL2 accepts only a text of octal digits
        try:
            given["mode"] = f"{files.parse_mode(given['mode']):04o}"
        except files.TransferFailed as error:
            raise CannotPlan(str(error)) from error
    return {"kind": "native", "module": module, "function": function, "params": given}


def as_bytes(content: Any) -> bytes:
    """Text as UTF-8; anything else as JSON, as Ansible does with structured content."""
    if isinstance(content, str):
        return content.encode("utf-8", "surrogateescape")
    import json  # noqa: PLC0415 - one branch

    return json.dumps(content, default=str).encode()


def read_source(module: str, source: Path) -> bytes:
    """The content of a file of this machine. Raises CannotPlan."""
    try:
        if source.is_dir():
            raise CannotPlan(f"cannot {module} {source}: it is a directory; copy its files, or pack it first")
        if not source.is_file() and source.exists():
            raise CannotPlan(f"cannot {module} {source}: it is not a regular file")
        if source.stat().st_size > CONTENT_LIMIT:
            raise CannotPlan(f"cannot {module} {source}: it is larger than {CONTENT_LIMIT >> 20} MiB; use get_url")
        return source.read_bytes()
    except OSError as error:
        raise CannotPlan(f"cannot {module} {source}: {error.strerror or error}") from error


def source_digest(module: str, params: Mapping[str, Any]) -> str:
    """SHA-256 of the file of this machine whose content `copy` or `template` writes; empty without a readable one."""
    given = params.get("src")
    if module not in {"copy", "template"} or not given or params.get("remote_src"):
        return ""
    try:
        return sha256(read_source(module, Path(str(given)).expanduser())).hexdigest()
    except (CannotPlan, RuntimeError):
        return ""


def _inline(content: bytes) -> dict[str, str]:
    return {"content": base64.b64encode(content).decode()}


def _put(name: str, params: Mapping[str, Any]) -> Request:
    if not params.get("dest"):
        raise CannotPlan(f"cannot run {name}: dest is missing")
    mode = params.get("mode")
    try:
        if mode is not None and mode != "preserve":
            files.parse_mode(mode)
    except files.TransferFailed as error:
        raise CannotPlan(str(error)) from error
    kept = {key: params[key] for key in ("mode", "owner", "group", "backup") if params.get(key) is not None}
    return {"kind": "put", "dest": str(params["dest"]), "force": params.get("force", True) is not False,
            "follow": params.get("follow", True) is not False, **kept}  # fmt: skip


def _known(name: str, params: Mapping[str, Any], accepted: frozenset[str]) -> None:
    strange = sorted(set(params) - accepted)
    if strange:
        raise CannotPlan(
            f"cannot use the parameter {strange[0]} of {name}: it takes "
            + ", ".join(sorted(key for key in accepted if not key.startswith("_")))
        )
