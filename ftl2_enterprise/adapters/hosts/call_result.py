"""Derives the result of a call from the output of its program."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from ftl2_enterprise.core.shorten import shorten
from ftl2_enterprise.loops.ports import ModuleResult

type Head = Mapping[str, Any]

NOISE = frozenset({"invocation", "stdout", "stderr", "stdout_lines", "stderr_lines", "_stderr"})
"""Keys of a module's result that have separate fields; `invocation` repeats the parameters, including secrets."""
LINE_LIMIT = 500
DEPTH_LIMIT = 100
TAIL = 1 << 16
"""Characters at the end of a text that are searched for its last line."""


def failed(error: str, **known: Any) -> ModuleResult:
    """The result of a call that was not made or that failed."""
    return ModuleResult(success=False, error=line(error), **known)


def not_fenced(reason: str, **known: Any) -> ModuleResult:
    """The result of a call that was not made, because its host cannot build the sandbox that the request asks for."""
    return failed(f"cannot run it fenced: {reason}", cannot_fence=line(reason), **known)


def of_command(head: Head, out: bytes, err: bytes, shown: str, *, timeout: float, chdir: str | None) -> ModuleResult:
    """The result of `command` and `shell`, with the same keys as in FTL2."""
    output: dict[str, Any] = {"cmd": shown, **({"chdir": chdir} if chdir else {})}
    if "not_fenced" in head:
        return not_fenced(head["not_fenced"], output=output)
    fenced = bool(head.get("fenced"))
    if "not_started" in head:
        return failed(f"cannot start the command: {head['not_started']}", output=output, fenced=fenced)
    if "skipped" in head:
        return ModuleResult(success=True, rc=0, output={**output, "rc": 0, "msg": head["skipped"]}, fenced=fenced)
    dropped_out, dropped_err = head["dropped"]
    stdout, stderr = text(out, dropped_out), text(err, dropped_err)
    rc: int | None = head["rc"]
    streams: dict[str, Any] = {
        "stdout": stdout, "stderr": stderr, "truncated": bool(dropped_out or dropped_err), "fenced": fenced
    }  # fmt: skip
    if head["timed_out"]:
        return failed(_out_of_time(timeout), changed=not fenced, timed_out=True, output=output, **streams)
    error = None if rc == 0 else f"exit status {rc}" + (f": {last_line(stderr)}" if stderr.strip() else "")
    return ModuleResult(
        success=rc == 0, changed=not fenced, rc=rc, output={**output, "rc": rc}, error=error and line(error),
        **streams,
    )  # fmt: skip


def of_module(head: Head, out: bytes, err: bytes, *, timeout: float) -> ModuleResult:
    """The result of any other module: one JSON object on its standard output."""
    if "not_fenced" in head:
        return not_fenced(head["not_fenced"])
    result = _of_module(head, out, err, timeout=timeout)
    return msgspec.structs.replace(result, fenced=True) if head.get("fenced") else result


def _of_module(head: Head, out: bytes, err: bytes, *, timeout: float) -> ModuleResult:
    if "not_started" in head:
        return failed(f"cannot start the module: {head['not_started']}")
    stderr = text(err, head["dropped"][1])
    if head["timed_out"]:
        return failed(_out_of_time(timeout), timed_out=True, stderr=stderr)
    if head["dropped"][0]:
        return failed(f"the module's result is larger than {len(out) >> 20} MiB", truncated=True)
    reply = _parse(text(out, 0))
    if reply is not None and _is_deeper(reply, DEPTH_LIMIT):
        return failed(f"the module's result is nested more than {DEPTH_LIMIT} deep", rc=head["rc"], stderr=stderr)
    if reply is None or (not reply and head["rc"] != 0):
        return failed(_crash(stderr, text(out, 0), head["rc"]), rc=head["rc"], stderr=stderr)
    return of_output(reply, rc=head["rc"], stderr=stderr)


def of_output(reply: Mapping[str, Any], *, rc: int | None = 0, stderr: str = "") -> ModuleResult:
    """The result of a module from the object that it returned; `rc` is its process's."""
    own_rc = reply.get("rc")
    if not reply:
        return failed("the module returned no result", stderr=stderr)
    good = not reply.get("failed") and rc == 0 and (own_rc is None or own_rc == 0)
    module_err = reply.get("stderr")
    error_output = str(module_err) if isinstance(module_err, str) and module_err else stderr
    error = None if good else _complaint(reply, error_output, own_rc or rc)
    return ModuleResult(
        success=good,
        changed=bool(reply.get("changed", False)),
        rc=own_rc if isinstance(own_rc, int) else None,
        stdout=str(reply.get("stdout") or ""),
        stderr=error_output,
        output={str(k): plain(v) for k, v in reply.items() if k not in NOISE},
        error=error,
    )


def cleaned(result: ModuleResult, clean: Callable[[str], str]) -> ModuleResult:
    """The result with every text passed through `clean`."""
    output = cast("dict[str, Any]", _each_text(result.output, clean))
    return ModuleResult(
        success=result.success, changed=result.changed, rc=result.rc, stdout=clean(result.stdout),
        stderr=clean(result.stderr), output=output, error=None if result.error is None else clean(result.error),
        timed_out=result.timed_out, truncated=result.truncated, lost=result.lost, fenced=result.fenced,
        cannot_fence=result.cannot_fence,
    )  # fmt: skip


def plain(value: Any) -> Any:
    """The value as JSON can represent it; everything else becomes text."""
    match value:
        case str() | None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case dict() | Mapping():
            return {str(k): plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
        case bytes():
            return value.decode("utf-8", "replace")
        case list() | Sequence() | set() | frozenset():
            return [plain(v) for v in cast("Sequence[Any]", value)]
        case _:
            return str(value)


def text(captured: bytes, dropped: int) -> str:
    """Captured bytes as text, with a line about dropped ones at the end."""
    kept = captured.decode("utf-8", "replace")
    return f"{kept}\n[{dropped} more bytes were not kept]\n" if dropped else kept


def line(message: str) -> str:
    """The first line with text, for people."""
    # Shortened before it is split: many short lines would need a multiple of the memory.
    found = next(iter(message.lstrip()[: LINE_LIMIT + 1].splitlines()), "no reason given").rstrip()
    return shorten(found, LINE_LIMIT)


def last_line(message: str) -> str:
    """The last line with text, which is the most informative one of error output and tracebacks."""
    return line(next(reversed(message.rstrip()[-TAIL:].splitlines()), ""))


def _each_text(value: Any, clean: Callable[[str], str]) -> Any:
    match value:
        case str():
            return clean(value)
        case Mapping():
            return {clean(str(k)): _each_text(v, clean) for k, v in cast("Mapping[Any, Any]", value).items()}
        case list():
            return [_each_text(v, clean) for v in cast("list[Any]", value)]
        case _:
            return value


def _out_of_time(timeout: float) -> str:
    return f"timed out after {timeout:g} s and was killed"


def _parse(printed: str) -> dict[str, Any] | None:
    """The module's JSON object; libraries may print lines before and after it."""
    for part in (printed, *(p for p in reversed(printed.splitlines()) if p.lstrip().startswith("{"))):
        try:
            found: Any = json.loads(part)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return cast("dict[str, Any]", found)
    return {} if not printed.strip() else None


def _is_deeper(value: Any, limit: int) -> bool:
    """Whether containers are nested deeper than the limit: code that processes the result may recurse."""
    level: list[Any] = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _inside(outer)]
    return any(True for outer in level for _ in _inside(outer))


def _inside(value: Any) -> Iterable[Any]:
    match value:
        case dict():
            return cast("dict[Any, Any]", value).values()
        case list():
            return cast("list[Any]", value)
        case _:
            return ()


def _complaint(reply: Mapping[str, Any], stderr: str, rc: int | None) -> str:
    for key in ("error", "msg"):
        if isinstance(reply.get(key), str) and str(reply[key]).strip():
            return line(str(reply[key]))
    return last_line(stderr) if stderr.strip() else f"exit status {rc}"


def _crash(stderr: str, stdout: str, rc: int | None) -> str:
    spoken = stderr if stderr.strip() else stdout
    return f"the module crashed: {last_line(spoken)}" if spoken.strip() else f"the module ended with status {rc}"
