"""Every setting, in one model, with where each value came from.

Later wins: defaults, /etc/ftl2-enterprise/config.toml, conf.d/*.toml by name, environment, flags. A file given with
--config is read instead of those under /etc.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from ftl2_enterprise.core import paths, settings_check
from ftl2_enterprise.core.problem import invalid, not_found
from ftl2_enterprise.core.wire import Strict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ETC = Path(paths.ETC)
PREFIX = "FTL2_ENTERPRISE_"
NOT_SETTINGS = {"FTL2_ENTERPRISE_FAULT"}
"""Variables with the prefix that mean something else."""

type Count = Annotated[int, Meta(ge=1)]
type Seconds = Annotated[float, Meta(gt=0)]
type Days = Annotated[float, Meta(ge=0, le=36_500)]
type Share = Annotated[float, Meta(ge=0, le=1)]
type Dollars = Annotated[float, Meta(ge=0)]


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Provider(StrEnum):
    """Who decides when the desired state is no manifest; the empty one means rules alone."""

    NONE = ""
    CLAUDE = "claude"


class StoreSettings(Strict, frozen=True, kw_only=True):
    """Where the database is, and how long it keeps what nobody misses."""

    path: str = ""
    keep_looks: Days = 7.0
    """Looks of continuous loops that found everything in place; 0 keeps them for ever."""


class ModelSettings(Strict, frozen=True, kw_only=True):
    """How a model is reached, and what it may cost."""

    provider: Provider = Provider.NONE
    command: str = "claude"
    model: str = ""
    timeout: Seconds = 180.0
    retries: Annotated[int, Meta(ge=0)] = 2
    bare: bool = False
    max_cost: Dollars | None = None


class LoopSettings(Strict, frozen=True, kw_only=True):
    """What a loop gets unless it is asked for otherwise, and the engine's limits."""

    max_iterations: Count = 10
    interval: Seconds = 60.0
    jitter: Share = 0.1
    backoff_cap: Seconds = 3600.0
    audit_every: Seconds = 86400.0
    action_timeout: Seconds = 300.0
    observation_timeout: Seconds = 60.0
    prompt_timeout: Seconds | None = None
    parallel_hosts: Count = 10
    rules_dir: str = ""
    stale_after: Seconds = 300.0


class SupervisorSettings(Strict, frozen=True, kw_only=True):
    """How the service runs its processes."""

    socket: str = ""
    """Where `ftl2ctl` connects."""
    max_running: Count = 200
    """Loops that have a process at a time; others wait for a place."""
    rest: Annotated[float, Meta(ge=0)] = 5.0
    """A loop whose next run is further away gives its process back."""
    drain_timeout: Seconds = 60.0
    """How long loops may take for their next safe point when the service stops."""
    splay: Annotated[float, Meta(ge=0)] = 10.0
    """After a start, loops begin spread over at most this long."""
    heartbeat: Seconds = 10.0
    """How often a process gives a sign of life."""
    hung_after: Seconds = 60.0
    """A process that is silent for this long is killed."""
    restart_delay: Seconds = 0.5
    """Before the second restart in a row; the first one is at once, later delays double."""
    restart_cap: Seconds = 60.0
    """What the delay ends at."""
    healthy_after: Seconds = 10.0
    """A process that ran this long was healthy: its crash is the first one again."""
    restart_limit: Count = 10
    """A loop that crashes more often than this within `restart_period` has failed."""
    restart_period: Seconds = 600.0
    max_connections: Count = 256
    """Clients at a time."""


class AccessSettings(Strict, frozen=True, kw_only=True):
    """Who may do what over the socket: names or ids of users, and of groups behind a `%`.

    Root and the user of the service may always do everything.
    """

    view: tuple[str, ...] = ("%ftl2",)
    operate: tuple[str, ...] = ("%ftl2",)
    administer: tuple[str, ...] = ()


class LimitSettings(Strict, frozen=True, kw_only=True):
    """What the cgroup of each loop may use; empty for no limit. Needs a delegated cgroup (`Delegate=`)."""

    memory: str = ""
    """Bytes, or with K, M, G."""
    cpu: str = ""
    """Percent of one processor, such as 50%."""
    pids: Count | None = None


class LogSettings(Strict, frozen=True, kw_only=True):
    """What is logged, and where the service keeps the logs of its loops."""

    level: Level = Level.INFO
    directory: str = ""
    """Where the logs of loops are."""
    max_bytes: Count = 10_000_000
    """Of one log file; a full one is kept once, as FILE.1."""


class Settings(Strict, frozen=True, kw_only=True):
    """All of them."""

    store: StoreSettings = StoreSettings()
    model: ModelSettings = ModelSettings()
    loops: LoopSettings = LoopSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    access: AccessSettings = AccessSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Settings, and for each key (`loops.interval`) where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Given:
    """One value that somebody gave, as written."""

    key: str
    value: Any
    origin: str
    is_text: bool = False
    """It was written where there are only texts: in the environment or on the command line."""
    base: Path | None = None
    """What a relative path in it is relative to."""


SECTIONS: dict[str, type[Strict]] = {
    "store": StoreSettings,
    "model": ModelSettings,
    "loops": LoopSettings,
    "supervisor": SupervisorSettings,
    "access": AccessSettings,
    "limits": LimitSettings,
    "log": LogSettings,
}
PATHS = {"store.path", "loops.rules_dir", "supervisor.socket", "log.directory"}


def _types() -> dict[str, Any]:
    return {
        f"{section}.{name}": kind
        for section, model in SECTIONS.items()
        for name, kind in get_type_hints(model, include_extras=True).items()
    }


def load(
    *,
    config: Path | None = None,
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    etc: Path = ETC,
) -> Loaded:
    """The settings in force; `flags` maps keys to what was given on the command line.

    Raises Problem for an unknown key, a value of the wrong kind and a file that cannot be read.
    """
    variables = os.environ if environ is None else environ
    types = _types()
    values = _defaults(variables)
    origins = dict.fromkeys(types, "default")
    for given in _given(config, flags or {}, variables, etc, types):
        values[given.key] = _converted(given, types[given.key])
        origins[given.key] = given.origin
    sections = {
        section: model(**{key.partition(".")[2]: v for key, v in values.items() if key.startswith(f"{section}.")})
        for section, model in SECTIONS.items()
    }
    settings = msgspec.convert(sections, Settings, from_attributes=True)
    settings_check.check(settings, origins)
    return Loaded(settings=settings, origins=origins)


def _defaults(variables: Mapping[str, str]) -> dict[str, Any]:
    """Defaults that depend on the user, never on the working directory: loops must not share things by accident."""
    return {
        "store.path": f"{paths.state_dir(variables)}/loops.db",
        "loops.rules_dir": f"{paths.config_dir(variables)}/rules",
        "supervisor.socket": paths.socket_path(variables),
        "log.directory": paths.log_dir(variables),
    }


# --- where values come from ----------------------------------------------------------------------------------------


def _given(
    config: Path | None, flags: Mapping[str, str], variables: Mapping[str, str], etc: Path, types: Mapping[str, Any]
) -> Iterator[Given]:
    if config is not None:
        if not config.is_file():
            raise not_found(f"cannot read the configuration {config}: there is no such file", "look at --config")
        yield from _in_file(config, types)
    else:
        if (etc / "config.toml").exists():
            yield from _in_file(etc / "config.toml", types)
        for path in sorted((etc / "conf.d").glob("*.toml")):
            yield from _in_file(path, types)
    yield from _in_environment(variables, types)
    for key, value in flags.items():
        yield Given(key=key, value=value, origin="command line", is_text=True, base=Path.cwd())


def _in_file(path: Path, types: Mapping[str, Any]) -> Iterator[Given]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise invalid(f"cannot read the configuration {path}: {(error.strerror or 'failed').lower()}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise invalid(f"cannot read the configuration {path}: it is not TOML: {error}") from error
    for section, content in document.items():
        if section not in SECTIONS or not isinstance(content, dict):
            what = "section" if isinstance(content, dict) else "key"
            raise invalid(f"cannot use the {what} {section!r} of {path}: it is unknown", _nearest(section, SECTIONS))
        for name, value in cast("dict[str, Any]", content).items():
            key = f"{section}.{name}"
            if key not in types:
                raise invalid(f"cannot use the key {key!r} of {path}: it is unknown", _nearest(key, types))
            yield Given(key=key, value=value, origin=str(path), base=path.absolute().parent)


def _in_environment(variables: Mapping[str, str], types: Mapping[str, Any]) -> Iterator[Given]:
    keys = {variable_of(key): key for key in types}
    for name in sorted(variables):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        if name not in keys:
            raise invalid(f"cannot use the variable {name} of the environment: it is unknown", _nearest(name, keys))
        yield Given(key=keys[name], value=variables[name], origin=name, is_text=True, base=Path.cwd())


def variable_of(key: str) -> str:
    """The environment variable of a key."""
    return PREFIX + key.replace(".", "_").upper()


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def _converted(given: Given, kind: Any) -> Any:
    written = given.value
    if given.is_text and get_origin(kind) is tuple:
        # In the environment a list is written with commas.
        written = [part.strip() for part in str(written).split(",") if part.strip()]
    try:
        value = msgspec.convert(written, kind, strict=not given.is_text)
    except msgspec.ValidationError as error:
        reason = str(error)[:1].lower() + str(error)[1:]
        raise invalid(f"cannot use {given.value!r} for {given.key} from {given.origin}: {reason}") from error
    if given.key in PATHS and value:
        return str((given.base or Path.cwd()) / Path(value).expanduser())
    return value
