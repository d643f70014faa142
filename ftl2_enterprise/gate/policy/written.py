"""Paths that a module writes and that no parameter is: those that it makes of parameters, and its defaults. Pure."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from ftl2_enterprise.gate.modules import is_given

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl2_enterprise.gate.effects import Effect
    from ftl2_enterprise.gate.module_table import Module, Written

_PARAMETER = re.compile(r"\{([\w|]+)(?:=([^}]*))?\}")
_HOME = re.compile(r"~([^/]+)(/.*)")


def named_files(effect: Effect, known: Module | None) -> tuple[str, ...]:
    """Paths that the module makes of parameters, as it makes them."""
    if known is None:
        return ()
    params = effect.params
    if known.name == "file" and params.get("state") == "hard" and params.get("src") is not None:
        return (str(params["src"]),)
    return tuple(_made(known, params, known.names_files))


def default_files(effect: Effect, known: Module | None) -> tuple[str, ...]:
    """Paths that the module writes although the call does not name them; `*` is a name that it chooses.

    A home is the one that the host finds. Where that is not known yet, it is probably the usual one.
    """
    if known is None or not known.default_writes:
        return ()
    found = tuple(_made(known, effect.params, known.default_writes))
    unknown = (path for path in found if path.removesuffix("/*") not in effect.resolved)
    return tuple(dict.fromkeys((*found, *filter(None, map(_usual_home, unknown)))))


def linked(effect: Effect) -> tuple[str, ...]:
    """Where a link that the module makes leads: a later call can write there through it."""
    params = effect.params
    source = params.get("src")
    if effect.module != "file" or params.get("state") not in ("link", "hard") or source is None:
        return ()
    given = (params[name] for name in ("path", "dest", "name") if params.get(name) is not None)
    return (str(source), _below(posixpath.dirname(str(next(given, ""))) or ".", str(source)))


def leaves_home(effect: Effect) -> bool:
    """Whether a path of the module is relative to the home of a user, which only the host knows, and leaves it."""
    name = str(effect.params.get("ssh_key_file") or "")
    return effect.module == "user" and not name.startswith("/") and ".." in name.split("/")


def _made(known: Module, params: Mapping[str, Any], paths: tuple[Written, ...]) -> Iterator[str]:
    for one in paths:
        if one.given and not is_given(known, params, one.given):
            continue
        # Modules ignore an empty text.
        if any(params.get(name) not in (None, "") for name in one.without):
            continue
        folder, name = (_filled(part, params) for part in posixpath.split(one.path))
        if folder is not None and name is not None:
            yield _below(folder, name)


def _filled(template: str, params: Mapping[str, Any]) -> str | None:
    """The template with the values of parameters; None if it has none for one of them."""
    values: list[str] = []
    for names, default in (match.groups() for match in _PARAMETER.finditer(template)):
        given = next((params[name] for name in names.split("|") if params.get(name) is not None), default)
        if given is None:
            return None
        values.append(str(given))
    left = iter(values)
    return _PARAMETER.sub(lambda _: next(left), template)


def _below(folder: str, name: str) -> str:
    """The path of a name in a directory; the name may itself be a path from the root, or of a home."""
    return name if name.startswith(("~", "$")) else posixpath.join(folder, name)


def _usual_home(path: str) -> str | None:
    found = _HOME.fullmatch(path)
    if found is None:
        return None
    return f"/root{found[2]}" if found[1] == "root" else f"/home/{found[1]}{found[2]}"
