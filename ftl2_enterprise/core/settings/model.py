"""The settings, in one model, with where each value came from.

Later wins: defaults, /etc/ftl2-enterprise/config.toml, conf.d/*.toml by name, environment, flags. A file given with
--config is read instead of those under /etc.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_origin, get_type_hints

import msgspec

from ftl2_enterprise.core import paths
from ftl2_enterprise.core.problem import invalid, not_found
from ftl2_enterprise.core.settings import check, choices
from ftl2_enterprise.core.settings.sections import (
    SHARED,
    AccessSettings,
    LimitSettings,
    LogSettings,
    StoreSettings,
    SupervisorSettings,
)
from ftl2_enterprise.core.wire import Strict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ftl2_enterprise.core.settings.sections import Section

ETC = Path(paths.ETC)
PREFIX = "FTL2_ENTERPRISE_"
NOT_SETTINGS = {"FTL2_ENTERPRISE_FAULT"}
"""Variables with the prefix that mean something else."""
DEFAULT = "default"
"""Where the value of a setting comes from that was not given."""
DATABASE = "store.path"


class Settings(Strict, frozen=True, kw_only=True):
    """All settings: the shared sections, and in the type that `SettingsModel` makes, those of capabilities."""

    store: StoreSettings = StoreSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    access: AccessSettings = AccessSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()

    def section[S: Strict](self, model: type[S]) -> S:
        """The section with this model. Raises LookupError when no capability of the program declares it."""
        for name in self.__struct_fields__:
            found = getattr(self, name)
            if type(found) is model:
                return found
        raise LookupError(f"the settings have no section {model.__name__}")


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Settings, and for each key (`supervisor.socket`) where its value came from."""

    settings: Settings
    origins: Mapping[str, str]
    renamed: tuple[str, ...] = ()
    """A sentence for each setting that was given under an old name."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """One given value, as written."""

    key: str
    value: Any
    origin: str
    is_text: bool = False
    """It was written where there are only texts: in the environment or on the command line."""
    base: Path | None = None
    """What a relative path in it is relative to."""
    old_key: str | None = None
    """The name by which it was given, when the setting has another one now."""

    @property
    def written(self) -> str:
        """The key as it was written."""
        return self.old_key or self.key


class SettingsModel:
    """Which sections and settings a program has; reads them, and refuses all others."""

    def __init__(self, sections: Iterable[Section]) -> None:
        """The shared sections and these. Raises ValueError when two have the same name."""
        self.sections: dict[str, Section] = {}
        for one in (*SHARED, *sections):
            if self.sections.setdefault(one.name, one) is not one:
                raise ValueError(f"two sections of the settings are called {one.name}")
        own = [one for one in self.sections.values() if one not in SHARED]
        self.type: type[Settings] = cast(
            "type[Settings]",
            msgspec.defstruct(
                "ComposedSettings", [(one.name, one.model, one.model()) for one in own], bases=(Settings,),
                module=__name__, frozen=True, kw_only=True,
            ),
        )  # fmt: skip
        self.types: dict[str, Any] = {
            f"{section.name}.{name}": kind
            for section in self.sections.values()
            for name, kind in get_type_hints(section.model, include_extras=True).items()
        }
        self.paths: frozenset[str] = frozenset(
            f"{section.name}.{name}" for section in self.sections.values() for name in section.paths
        )
        self.renamed: dict[str, str] = {
            old: f"{section.name}.{name}"
            for section in self.sections.values()
            for old, name in section.renamed.items()
        }

    def of(self, *sections: Strict) -> Settings:
        """The defaults, with these sections. Raises LookupError for one that the program does not have."""
        names = {section.model: name for name, section in self.sections.items()}
        return self._made({names[type(one)]: one for one in sections})

    def _made(self, sections: Mapping[str, Any]) -> Settings:
        return self.type(**sections)

    def known(self, values: Mapping[str, Mapping[str, Any]]) -> Settings:
        """The settings among these values, by section and name, which another version of the program may have made.

        Raises msgspec.ValidationError for a value of another type.
        """
        found = {
            name: {
                key: value for key, value in values.get(name, {}).items() if key in section.model.__struct_fields__
            }
            for name, section in self.sections.items()
        }
        for old, new in self.renamed.items():
            section, name = old.split(".")
            if name in values.get(section, {}):
                section_now, name_now = new.split(".")
                found[section_now].setdefault(name_now, values[section][name])
        return msgspec.convert(found, self.type)

    def load(
        self,
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
        values = {
            f"{section.name}.{name}": value
            for section in self.sections.values()
            for name, value in section.defaults(variables).items()
        }
        origins = dict.fromkeys(self.types, DEFAULT)
        written: dict[str, str] = {}
        renamed: list[str] = []
        for given in self._given(config, flags or {}, variables, etc):
            values[given.key] = self._converted(given)
            origins[given.key] = given.origin
            written[given.key] = given.written
            if given.old_key is not None:
                renamed.append(f"the setting {given.old_key} of {given.origin} is called {given.key} now")
        if origins[DATABASE] != DEFAULT:
            for section in self.sections.values():
                for name, value in section.of_database(variables, values[DATABASE]).items():
                    key = f"{section.name}.{name}"
                    values[key] = value if origins[key] == DEFAULT else values[key]
        sections = {
            name: section.model(
                **{key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{name}.")}
            )
            for name, section in self.sections.items()
        }
        settings = self._made(sections)
        check.check(settings, origins, written)
        for name, section in self.sections.items():
            if section.check is not None:
                section.check(sections[name], check.refusing(name, origins, written))
        return Loaded(settings=settings, origins=origins, renamed=tuple(renamed))

    # --- where values come from ------------------------------------------------------------------------------------

    def _given(
        self, config: Path | None, flags: Mapping[str, str], variables: Mapping[str, str], etc: Path
    ) -> Iterator[Given]:
        if config is not None:
            if not config.is_file():
                raise not_found(f"cannot read the configuration {config}: there is no such file", "check --config")
            yield from self._in_file(config)
        else:
            if (etc / "config.toml").exists():
                yield from self._in_file(etc / "config.toml")
            for path in sorted((etc / "conf.d").glob("*.toml")):
                yield from self._in_file(path)
        yield from self._in_environment(variables)
        for key, value in flags.items():
            yield Given(key=key, value=value, origin="command line", is_text=True, base=Path.cwd())

    def _in_file(self, path: Path) -> Iterator[Given]:
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise invalid(f"cannot read the configuration {path}: {(error.strerror or 'failed').lower()}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise invalid(f"cannot read the configuration {path}: it is not TOML: {error}") from error
        given: list[Given] = []
        for section, content in document.items():
            if section not in self.sections or not isinstance(content, dict):
                what = "section" if isinstance(content, dict) else "key"
                hint = _nearest(section, self.sections)
                raise invalid(f"cannot use the {what} {section!r} of {path}: it is unknown", hint)
            for name, value in cast("dict[str, Any]", content).items():
                written = f"{section}.{name}"
                key = self.renamed.get(written, written)
                if key not in self.types:
                    raise invalid(f"cannot use the key {key!r} of {path}: it is unknown", _nearest(key, self.types))
                old_key = None if key == written else written
                base = path.absolute().parent
                given.append(Given(key=key, value=value, origin=str(path), base=base, old_key=old_key))
        # When a file has both names, the new one counts.
        yield from sorted(given, key=lambda one: one.old_key is None)

    def _in_environment(self, variables: Mapping[str, str]) -> Iterator[Given]:
        keys = {variable_of(key): key for key in (*self.renamed, *self.types)}
        # The variables of old names first, as in a file.
        for name in sorted(variables, key=lambda name: (keys.get(name) not in self.renamed, name)):
            if not name.startswith(PREFIX) or name in NOT_SETTINGS:
                continue
            if name not in keys:
                raise invalid(
                    f"cannot use the variable {name} of the environment: it is unknown", _nearest(name, keys)
                )
            written = keys[name]
            key = self.renamed.get(written, written)
            old_key = None if key == written else written
            yield Given(key=key, value=variables[name], origin=name, is_text=True, base=Path.cwd(), old_key=old_key)

    def _converted(self, given: Given) -> Any:
        kind = self.types[given.key]
        written = given.value
        if given.is_text and get_origin(kind) is tuple:
            # In the environment a list is written with commas.
            written = [part.strip() for part in str(written).split(",") if part.strip()]
        if given.is_text and get_origin(kind) is dict:
            # And a table as NAME=VALUE with commas.
            pairs = [part.partition("=") for part in str(written).split(",") if part.strip()]
            written = {name.strip(): value.strip() for name, _, value in pairs}
        try:
            value = msgspec.convert(written, kind, strict=not given.is_text)
        except msgspec.ValidationError as error:
            if (wrong := choices.wrong_word(written, kind)) is not None:
                where = ".".join((given.written, *wrong.path))
                what = f"cannot use {wrong.word!r} for {where} from {given.origin}"
                raise invalid(f"{what}: it is none of {wrong.listed}", wrong.hint) from error
            reason = str(error)[:1].lower() + str(error)[1:]
            raise invalid(f"cannot use {given.value!r} for {given.written} from {given.origin}: {reason}") from error
        if given.key in self.paths and value:
            return str((given.base or Path.cwd()) / Path(value).expanduser())
        return value


def variable_of(key: str) -> str:
    """The environment variable of a key."""
    return PREFIX + key.replace(".", "_").upper()


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
