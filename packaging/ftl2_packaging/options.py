"""Every setting with its default, kind and meaning: from the model, and from docs/reference/configuration.md."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin, get_type_hints

import msgspec

from ftl2_enterprise.core.settings import restart
from ftl2_enterprise.gate.policy.settings import OF_A_UNIT
from ftl2_enterprise.wiring.settings import MODEL
from ftl2_packaging.places import SOURCE, CannotBuild

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = SOURCE / "docs" / "reference" / "configuration.md"

OF_THE_SERVICE: dict[str, Any] = {
    "store.path": "/var/lib/ftl2-enterprise/loops.db",
    "loops.rules_dir": "/etc/ftl2-enterprise/rules",
    "policy.directory": "/etc/ftl2-enterprise/policy.d",
    "policy.defaults": OF_A_UNIT,
    "supervisor.socket": "/run/ftl2-enterprise/control.sock",
    "log.directory": "/var/log/ftl2-enterprise",
}
"""Defaults that the unit has and a command does not: paths in its directories, and approvals."""
EXAMPLES: dict[str, Any] = {
    "model.max_cost": 5.0,
    "model.max_tokens": 2_000_000,
    "model.daily_cost": 20.0,
    "model.daily_tokens": 10_000_000,
    "model.parallel": 4,
    "model.rate": 30,
    "loops.prompt_timeout": 86400.0,
    "limits.pids": 200,
}
"""Example values of settings without a default."""
_ALIASES = {
    "Seconds": "more than 0",
    "Pause": "a number, at least 0",
    "Days": "days, 0 or more",
    "Dollars": "at least 0",
    "Share": "a share, from 0 to 1",
    "Count": "a whole number, at least 1",
    "Tokens": "a whole number, at least 0",
}


@dataclass(frozen=True, kw_only=True)
class Option:
    """One setting."""

    key: str
    written: str
    """Its default, or an example, as TOML."""
    has_default: bool
    kind: str
    meaning: str
    needs_restart: bool

    @property
    def section(self) -> str:
        """The TOML table of the setting."""
        return self.key.partition(".")[0]

    @property
    def name(self) -> str:
        """The key in that table."""
        return self.key.partition(".")[2]


def every_option() -> list[Option]:
    """All settings, in the order of the model. Raises CannotBuild when one is missing in the reference."""
    meanings = _meanings()
    found = list(_options(meanings))
    if unknown := set(meanings) - {option.key for option in found}:
        raise CannotBuild(f"cannot describe {', '.join(sorted(unknown))}: the program has no such setting")
    return found


def _options(meanings: dict[str, str]) -> Iterator[Option]:
    defaults = msgspec.to_builtins(MODEL.of())
    for section, declared in MODEL.sections.items():
        for name, hint in get_type_hints(declared.model, include_extras=True).items():
            key = f"{section}.{name}"
            value = OF_THE_SERVICE.get(key, defaults[section][name])
            has_default = value is not None
            if key not in meanings or not (has_default or key in EXAMPLES):
                raise CannotBuild(
                    f"cannot describe the setting {key}: it is not in {REFERENCE.name}, or has no example"
                )
            yield Option(
                key=key,
                written=_toml(value if has_default else EXAMPLES[key]),
                has_default=has_default,
                kind=_kind(hint),
                meaning=meanings[key],
                needs_restart=key in restart.NEED_RESTART,
            )


def _toml(value: Any) -> str:
    if not isinstance(value, dict):
        return json.dumps(value)
    pairs = [f"{name} = {json.dumps(one)}" for name, one in cast("dict[str, Any]", value).items()]
    return f"{{{', '.join(pairs)}}}"


def _meanings() -> dict[str, str]:
    rows = [
        line.strip("|").split(" | ")
        for line in REFERENCE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    return {row[0].split("`")[1]: row[-1].strip() for row in rows}


def _kind(hint: Any) -> str:
    """A description of the accepted values."""
    alias = getattr(hint, "__name__", "")
    if alias in _ALIASES:
        return _ALIASES[alias]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return "one of " + ", ".join(json.dumps(member.value) for member in hint)
    if get_origin(hint) is tuple:
        return "a list of texts"
    if get_origin(hint) is dict:
        return "a table of names and values"
    if hint is bool:
        return "true or false"
    if hint is str:
        return "a text"
    parts = [part for part in get_args(hint) if part is not type(None)]
    if len(parts) == 1:
        return _kind(parts[0])
    if len(parts) == 2 and isinstance(parts[1], msgspec.Meta):
        number = "a whole number" if parts[0] is int else "a number"
        return f"{number}, at least {parts[1].ge}"
    raise CannotBuild(f"cannot describe the type {hint}")


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    first = text if text.startswith("`") else text[:1].upper() + text[1:]
    return first if first.endswith((".", "!")) else f"{first}."


def without_flag(text: str) -> str:
    """The text without the equivalent command-line option, which does not apply to a file."""
    return re.sub(r"; `(?:supervise )?--[a-z-]+`$", "", text)


def plain(text: str) -> str:
    """The text without Markdown syntax."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).replace("`", "").replace("\\|", "|")
