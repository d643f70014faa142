"""Secret bindings: parameters that a module gets from an environment variable, unseen by decider and database."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, final, override

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.redact import MASK
from ftl2_enterprise.loops.module_names import spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HINT = "write MODULE.PARAM=ENV_VAR, for example uri.url_password=DEPLOY_PASSWORD"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@final
class Secret:
    """A text that never prints."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; call it only where the secret is used."""
        return self._text

    @override
    def __repr__(self) -> str:
        return "Secret(hidden)"

    @override
    def __str__(self) -> str:
        return "hidden"

    @override
    def __format__(self, format_spec: str) -> str:
        return format("hidden", format_spec)

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a secret is not copied into files or messages")


@dataclass(frozen=True, kw_only=True)
class Binding:
    """One parameter of the modules that the pattern names, and where its value comes from."""

    module: str
    param: str
    variable: str
    secret: Secret


@dataclass(frozen=True, kw_only=True)
class Bindings:
    """All bindings of a loop. The first one that names a module's parameter gives its value."""

    all: tuple[Binding, ...] = ()

    def inject(self, module: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with the bound ones added; those given explicitly win."""
        result = dict(params)
        names = spellings(module)
        for binding in self.all:
            # A decider that copies a masked value from what it saw did not give one.
            if result.get(binding.param, MASK) != MASK:
                continue
            if any(fnmatchcase(name, binding.module) for name in names):
                result[binding.param] = binding.secret.reveal()
        return result

    def values(self) -> list[str]:
        """The secret texts, for the redactor only."""
        return [binding.secret.reveal() for binding in self.all]


def parse_bindings(texts: Iterable[str], environ: Mapping[str, str] | None = None) -> Bindings:
    """Read every binding and its variable now, so that a missing one stops the run before it begins.

    Raises Problem(invalid).
    """
    values = os.environ if environ is None else environ
    bindings: dict[tuple[str, str], Binding] = {}
    for text in texts:
        module, param, variable = _split(text)
        value = values.get(variable)
        if not value:
            lack = "is empty" if value == "" else "is not set"
            raise invalid(
                f"cannot bind {module}.{param}: the environment variable {variable} {lack}",
                f"set {variable} before the run, or leave the binding out",
            )
        known = bindings.get((module, param))
        if known is not None and known.variable != variable:
            raise invalid(
                f"cannot bind {module}.{param} twice: to {known.variable} and to {variable}", "keep one of the two"
            )
        bindings[module, param] = Binding(module=module, param=param, variable=variable, secret=Secret(value))
    return Bindings(all=tuple(bindings.values()))


def _split(text: str) -> tuple[str, str, str]:
    target, equals, variable = text.rpartition("=")
    module, dot, param = target.rpartition(".")
    module, param, variable = module.strip(), param.strip(), variable.strip()
    # What stands behind the sign may be the secret itself, written there by mistake: it is not repeated.
    if not equals:
        raise invalid("cannot read the secret binding: it has no equals sign", _HINT)
    shown = f"{target}=..."
    if not dot or not module or not param:
        raise invalid(f"cannot read the secret binding {shown}", _HINT)
    if not _VARIABLE.fullmatch(variable):
        raise invalid(f"cannot read the secret binding {shown}: no name of an environment variable follows", _HINT)
    return module, param, variable
