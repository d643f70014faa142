"""Secret bindings: module parameters from a variable or a credential, hidden from decider and database."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, final, override

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.redact import MASK
from ftl2_enterprise.core.secret_references import refers, reveal
from ftl2_enterprise.gate.modules import RUNS_COMMANDS, canonical, find, spellings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, MutableMapping

_HINT = (
    "write MODULE.PARAM=ENV_VAR, for example uri.url_password=DEPLOY_PASSWORD, or MODULE.PARAM=credential:NAME for a "
    "credential of the service; for one that a manifest names, NAME takes the place of MODULE.PARAM"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}")
_PREFIX = "credential:"
_IMPORTED = "ftl2."
"""Prefix of the names of the credentials that the systemd unit imports."""
LONGEST_CREDENTIAL = 1024 * 1024
"""Bytes; the limit of systemd (systemd.exec(5))."""

DIRECTORY = "CREDENTIALS_DIRECTORY"
"""The variable that systemd sets to the directory of a unit's credentials."""
OF_THE_UNIT = (
    DIRECTORY, "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY", "CACHE_DIRECTORY",
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
    "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MAINPID", "MANAGERPID", "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
)  # fmt: skip
"""Variables that the service manager sets for the service only; child processes of loops must not see them."""

_ANY_COMMAND = frozenset({"cmd", "argv", "_raw_params", "free_form"})

_kept: list[str] = []
"""The directory of credentials after `hide_unit` has removed it from the environment."""


@final
class Secret:
    """A text that is hidden in every printed and serialized form."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; to be called only where the secret is used."""
        return self._text

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    @override
    def __hash__(self) -> int:
        return hash(self._text)

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
    """One parameter of the modules that the pattern matches, and the source of its value."""

    module: str
    param: str
    source: str
    """The name of an environment variable, or `credential:NAME`."""
    secret: Secret

    @property
    def variable(self) -> str | None:
        """The environment variable that contains the value; None for a credential."""
        return None if self.source.startswith(_PREFIX) else self.source


@dataclass(frozen=True, kw_only=True)
class Bindings:
    """All bindings of a loop. The first one that matches a module's parameter provides its value."""

    all: tuple[Binding, ...] = ()
    named: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    """Those to which the desired state refers."""
    answered: dict[str, Secret] = field(default_factory=dict[str, Secret])
    """Those to which the desired state refers and that people have answered so far."""

    def reveal(self, value: Any) -> Any:
        """The value with named secrets in place of references to them."""
        return reveal(value, self._find) if self.named or self.answered else value

    def _find(self, name: str) -> str | None:
        found = self.named.get(name) or self.answered.get(name)
        return None if found is None else found.reveal()

    def inject(self, module: str, params: Mapping[str, Any], *, reveals: bool = False) -> dict[str, Any]:
        """The parameters with the bound ones added; parameters with explicit values keep them.

        `reveals`: a person wrote the parameters, so references in them are replaced by the secrets.
        """
        result = dict(self.reveal(params)) if reveals else dict(params)
        names = spellings(module)
        for binding in self.all:
            # A mask that a decider copied from an observation is not an explicit value.
            if result.get(binding.param, MASK) != MASK:
                continue
            if any(fnmatchcase(name, binding.module) for name in names):
                result[binding.param] = binding.secret.reveal()
        return result

    def values(self) -> list[str]:
        """The secret texts; only the redactor may use them."""
        of_parameters = (one.secret for one in self.all)
        return [secret.reveal() for secret in (*of_parameters, *self.named.values(), *self.answered.values())]


def why_exposed(module: str, param: str) -> str | None:
    """Why this parameter must not have a secret, since other users of the host could read it; None if it may."""
    known = find(module)
    commands = {*known.commands, *known.programs} if known is not None else set[str]()
    if param in commands or (canonical(module) in RUNS_COMMANDS and param in _ANY_COMMAND):
        return f"cannot be part of {param}: every user of the host can read command lines; use stdin, or a file"
    if known is not None and param in {*known.writes, *known.reads}:
        return f"cannot be part of {param}, which is a path"
    return None


def exposed(module: str, params: Mapping[str, Any]) -> str | None:
    """Why these parameters must not be used, since a reference to a secret is where other users could read it.

    However the reference got there: the text of a manifest can also spell one out.
    """
    for param, value in params.items():
        if refers(value) and (why := why_exposed(module, param)) is not None:
            return f"cannot use a secret there: it {why}"
    return None


def hide_unit(environ: MutableMapping[str, str]) -> None:
    """Remove from this process's environment the variables that the service manager set for the service.

    Commands that a loop runs inherit the environment and must not learn where the credentials of all loops are. This
    process still finds them.
    """
    _kept[:] = [directory] if (directory := environ.get(DIRECTORY)) else _kept
    for name in OF_THE_UNIT:
        environ.pop(name, None)


def credentials_directory(environ: Mapping[str, str]) -> str | None:
    """The directory of the unit's credentials, also after `hide_unit`."""
    return environ.get(DIRECTORY) or next(iter(_kept), None)


def parse_bindings(
    texts: Iterable[str], environ: Mapping[str, str] | None = None, *, in_service: bool = False
) -> Bindings:
    """Read every binding and its value immediately, so that a missing value prevents the run.

    `in_service`: this process belongs to the service, so hints describe where the service gets its secrets from.
    Raises Problem(invalid).
    """
    values = os.environ if environ is None else environ
    bindings: dict[tuple[str, str], Binding] = {}
    named: dict[str, Secret] = {}
    sources: dict[str, str] = {}
    for text in texts:
        module, param, source = _split(text)
        target = f"{module}.{param}" if module else param
        value = _value(target, source, values, in_service=in_service)
        if not module:
            if sources.setdefault(param, source) != source:
                raise invalid(
                    f"cannot bind {param} twice: to {sources[param]} and to {source}", "keep one of the two"
                )
            named[param] = Secret(value)
            continue
        known = bindings.get((module, param))
        if known is not None and known.source != source:
            raise invalid(f"cannot bind {target} twice: to {known.source} and to {source}", "keep one of the two")
        bindings[module, param] = Binding(module=module, param=param, source=source, secret=Secret(value))
    return Bindings(all=tuple(bindings.values()), named=named)


def complete(
    bindings: Bindings,
    declared: Mapping[str, str | None],
    environ: Mapping[str, str] | None = None,
    *,
    in_service: bool = False,
) -> Bindings:
    """The bindings with each secret that the desired state declares, from its own source if no other one was given.

    Raises Problem(invalid), also for a name that is not declared.
    """
    values = os.environ if environ is None else environ
    for name in bindings.named:
        if name not in declared:
            close = get_close_matches(name, declared, n=1)
            raise invalid(
                f"cannot bind {name}: the desired state has no secret of that name",
                f"did you mean {close[0]}?"
                if close
                else "list it under `secrets:` in the manifest, or write MODULE.PARAM=SOURCE",
            )
    named = dict(bindings.named)
    for name, source in declared.items():
        if name in named:
            continue
        if source is None:
            raise invalid(
                f"cannot use secrets.{name}: it has no source",
                f"give --secret {name}={_PREFIX}{_IMPORTED}NAME, or write the source into the manifest",
            )
        _, _, checked = _split(f"{name}={source}")
        named[name] = Secret(_value(name, checked, values, in_service=in_service))
    return Bindings(all=bindings.all, named=named)


def check_used(bindings: Bindings, modules: Collection[str]) -> None:
    """Refuse a binding for a module that is not among these, which are all that can be called. Raises Problem."""
    names = {name for module in modules for name in spellings(module)}
    for binding in bindings.all:
        if any(fnmatchcase(name, binding.module) for name in names):
            continue
        target = f"{binding.module}.{binding.param}"
        close = get_close_matches(binding.module, names, n=1)
        used = f"it uses {', '.join(sorted(modules))}" if modules else "it uses no module"
        raise invalid(
            f"cannot bind {target}: the manifest never uses the module {binding.module}",
            f"did you mean {close[0]}.{binding.param}?" if close else used,
        )


def _value(target: str, source: str, values: Mapping[str, str], *, in_service: bool) -> str:
    if source.startswith(_PREFIX):
        return _credential(target, source.removeprefix(_PREFIX), values, in_service=in_service)
    return _variable(target, source, values, in_service=in_service)


def _variable(target: str, name: str, values: Mapping[str, str], *, in_service: bool) -> str:
    value = values.get(name)
    if not value:
        lack = "is empty" if value == "" else "is not set"
        if in_service:
            raise invalid(
                f"cannot bind {target}: the environment variable {name} {lack} in the service",
                f"put the secret into /etc/credstore/{_IMPORTED}NAME, restart the service, and bind "
                f"{target}={_PREFIX}{_IMPORTED}NAME; or set {name} in the environment of the service",
            )
        raise invalid(
            f"cannot bind {target}: the environment variable {name} {lack}",
            f"set {name} before the run, or leave the binding out",
        )
    return value


def _credential(target: str, name: str, values: Mapping[str, str], *, in_service: bool) -> str:
    what = f"cannot bind {target}: the credential {name}"
    hint = (
        f"add LoadCredential={name}:FILE to the unit with `systemctl edit ftl2-enterprise`, and restart the service"
    )
    if name.startswith(_IMPORTED):
        hint = f"put it into /etc/credstore/{name}, and restart the service"
    directory = credentials_directory(values)
    if directory is None and in_service:
        raise invalid(f"{what} does not exist: systemd has passed no credentials to the service", hint)
    if directory is None:
        raise invalid(
            f"{what} does not exist: only the service receives credentials from systemd",
            f"submit the loop to the service with `ftl2ctl submit`, or bind a variable: {target}=ENV_VAR",
        )
    try:
        with (Path(directory) / name).open("rb") as file:
            data = file.read(LONGEST_CREDENTIAL + 1)
        # A line break at the end of a file is not part of the secret.
        text = data.decode().removesuffix("\n")
    except FileNotFoundError as error:
        raise invalid(f"{what} does not exist", hint) from error
    except OSError as error:
        raise invalid(f"{what} cannot be read: {(error.strerror or 'failed').lower()}", hint) from error
    except UnicodeDecodeError:
        # Without its cause, which quotes the bytes that cannot be decoded.
        raise invalid(f"{what} is not UTF-8 text", "encode it, for example as base64") from None
    if not text or len(data) > LONGEST_CREDENTIAL:
        raise invalid(f"{what} {'is empty' if not text else 'is too long'}", hint)
    return text


def _split(text: str) -> tuple[str, str, str]:
    target, equals, source = text.rpartition("=")
    module, dot, param = target.rpartition(".")
    module, param, source = module.strip(), param.strip(), source.strip()
    # The text after the sign may be the secret itself, written there by mistake, so it is not quoted.
    if not equals:
        raise invalid("cannot read the secret binding: it has no equals sign", _HINT)
    shown = f"{target}=..."
    if not dot and _VARIABLE.fullmatch(target.strip()):
        module, param = "", target.strip()
    elif not dot or not module or not param:
        raise invalid(f"cannot read the secret binding {shown}", _HINT)
    if source.startswith(_PREFIX):
        if not _CREDENTIAL.fullmatch(source.removeprefix(_PREFIX)):
            raise invalid(f"cannot read the secret binding {shown}: no name of a credential follows", _HINT)
    elif not _VARIABLE.fullmatch(source):
        raise invalid(f"cannot read the secret binding {shown}: no name of an environment variable follows", _HINT)
    return module, param, source
