"""Secret bindings: parameters that a module gets from a variable or a credential, unseen by decider and database."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, final, override

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.redact import MASK
from ftl2_enterprise.loops.policy.module_names import spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

_HINT = (
    "write MODULE.PARAM=ENV_VAR, for example uri.url_password=DEPLOY_PASSWORD, or MODULE.PARAM=credential:NAME for a "
    "credential of the service"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}")
_PREFIX = "credential:"
_IMPORTED = "ftl2."
"""How the names of credentials begin that the unit imports."""
LONGEST_CREDENTIAL = 1024 * 1024
"""Bytes; as many as systemd takes."""

DIRECTORY = "CREDENTIALS_DIRECTORY"
"""The variable in which systemd names the directory of a unit's credentials."""
OF_THE_UNIT = (
    DIRECTORY, "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY", "CACHE_DIRECTORY",
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
    "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MAINPID", "MANAGERPID", "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
)  # fmt: skip
"""What the service manager tells the service, and nobody else."""

_kept: list[str] = []
"""The directory of credentials, when the environment does not tell it any more."""


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
    source: str
    """The name of the variable, or `credential:NAME`."""
    secret: Secret

    @property
    def variable(self) -> str | None:
        """The variable of the environment that holds it."""
        return None if self.source.startswith(_PREFIX) else self.source


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


def hide_unit(environ: MutableMapping[str, str]) -> None:
    """Take out of this process's environment what is between the service and its manager.

    What a loop runs inherits the environment, and need not be told where the credentials of all loops are. This
    process still finds them.
    """
    _kept[:] = [directory] if (directory := environ.get(DIRECTORY)) else _kept
    for name in OF_THE_UNIT:
        environ.pop(name, None)


def parse_bindings(texts: Iterable[str], environ: Mapping[str, str] | None = None) -> Bindings:
    """Read every binding and its value now, so that a missing one stops the run before it begins.

    Raises Problem(invalid).
    """
    values = os.environ if environ is None else environ
    bindings: dict[tuple[str, str], Binding] = {}
    for text in texts:
        module, param, source = _split(text)
        target = f"{module}.{param}"
        if source.startswith(_PREFIX):
            value = _credential(target, source.removeprefix(_PREFIX), values)
        else:
            value = _variable(target, source, values)
        known = bindings.get((module, param))
        if known is not None and known.source != source:
            raise invalid(f"cannot bind {target} twice: to {known.source} and to {source}", "keep one of the two")
        bindings[module, param] = Binding(module=module, param=param, source=source, secret=Secret(value))
    return Bindings(all=tuple(bindings.values()))


def _variable(target: str, name: str, values: Mapping[str, str]) -> str:
    value = values.get(name)
    if not value:
        lack = "is empty" if value == "" else "is not set"
        raise invalid(
            f"cannot bind {target}: the environment variable {name} {lack}",
            f"set {name} before the run, or leave the binding out",
        )
    return value


def _credential(target: str, name: str, values: Mapping[str, str]) -> str:
    what = f"cannot bind {target}: the credential {name}"
    hint = f"add LoadCredential={name}:FILE to the unit with `systemctl edit ftl2-enterprise`, and start it again"
    if name.startswith(_IMPORTED):
        hint = f"put it into /etc/credstore/{name}, and restart the service"
    directory = values.get(DIRECTORY) or next(iter(_kept), None)
    if directory is None:
        raise invalid(f"{what} is not there: systemd gives credentials to the service only", hint)
    try:
        with (Path(directory) / name).open("rb") as file:
            data = file.read(LONGEST_CREDENTIAL + 1)
        # Files that people write end with a line break, which is no part of a password.
        text = data.decode().removesuffix("\n")
    except FileNotFoundError as error:
        raise invalid(f"{what} is not there", hint) from error
    except OSError as error:
        raise invalid(f"{what} cannot be read: {(error.strerror or 'failed').lower()}", hint) from error
    except UnicodeDecodeError:
        # Without its cause, which quotes what it stumbled over.
        raise invalid(f"{what} is not UTF-8 text", "encode it, for example as base64") from None
    if not text or len(data) > LONGEST_CREDENTIAL:
        raise invalid(f"{what} {'is empty' if not text else 'is too long'}", hint)
    return text


def _split(text: str) -> tuple[str, str, str]:
    target, equals, source = text.rpartition("=")
    module, dot, param = target.rpartition(".")
    module, param, source = module.strip(), param.strip(), source.strip()
    # What stands behind the sign may be the secret itself, written there by mistake: it is not repeated.
    if not equals:
        raise invalid("cannot read the secret binding: it has no equals sign", _HINT)
    shown = f"{target}=..."
    if not dot or not module or not param:
        raise invalid(f"cannot read the secret binding {shown}", _HINT)
    if source.startswith(_PREFIX):
        if not _CREDENTIAL.fullmatch(source.removeprefix(_PREFIX)):
            raise invalid(f"cannot read the secret binding {shown}: no name of a credential follows", _HINT)
    elif not _VARIABLE.fullmatch(source):
        raise invalid(f"cannot read the secret binding {shown}: no name of an environment variable follows", _HINT)
    return module, param, source
