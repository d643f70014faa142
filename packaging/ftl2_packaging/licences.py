"""The owners and licences of the contents of the package, read from the wheels."""

from __future__ import annotations

import re
import tomllib
import zipfile
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ftl2_packaging.environment import SITE_PACKAGES
from ftl2_packaging.places import ENVIRONMENT, NAME, PACKAGING, SOURCE, CannotBuild

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMON = {
    "Apache-2.0": ("Apache License", 8000),
    "GPL-3": ("GNU GENERAL PUBLIC LICENSE", 20000),
}
"""Texts in /usr/share/common-licenses of every Debian system: their beginning and their length."""
_SHARED = "ansible"
"""A namespace package that several distributions share."""
_FILE = re.compile(r"(licen[cs]e|copying|notice)", re.IGNORECASE)
_OWNER = re.compile(r"^\W*copyright (?:\(c\)|©|:)?\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_FULL_STOP = re.compile(r"[.,]?\s*(all rights reserved\.?)?$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Bundled:
    """One bundled distribution."""

    name: str
    version: str
    licence: str
    owners: list[str]
    places: list[str]
    """Its paths in site-packages."""
    comment: str = ""
    texts: dict[str, str] = field(default_factory=dict[str, str])
    """Its files of licences and notices."""
    texts_with: dict[str, str] = field(default_factory=dict[str, str])
    """Licences whose text is in another bundled distribution, with the name of that distribution."""


def read(wheels: Iterable[Path]) -> list[Bundled]:
    """All wheels except the one of this program. Raises CannotBuild when a licence or its text is missing."""
    known = tomllib.loads((PACKAGING / "licences.toml").read_text(encoding="utf-8"))
    own = f"{NAME.replace('-', '_')}-"
    found = [_read(wheel, known) for wheel in wheels if not wheel.name.startswith(own)]
    licences = {one.name: one.licence for one in found}
    for one in found:
        for licence, other in one.texts_with.items():
            if licences.get(other) != licence:
                raise CannotBuild(f"cannot find the text of {licence} for {one.name}: {other} does not contain it")
    return sorted(found, key=lambda one: one.name)


def _read(wheel: Path, known: dict[str, Any]) -> Bundled:
    with zipfile.ZipFile(wheel) as archive:
        names = [PurePosixPath(name) for name in archive.namelist() if not name.endswith("/")]
        metadata = next(name for name in names if name.name == "METADATA" and name.parts[0].endswith(".dist-info"))
        head: Any = HeaderParser().parsestr(archive.read(str(metadata)).decode())
        described = [name for name in names if name.parts[0] == metadata.parts[0] and _FILE.search(name.name)]
        texts = {name.name: archive.read(str(name)).decode("utf-8", "replace").strip() for name in described}
    name = re.sub(r"[-_.]+", "-", str(head["Name"])).lower()
    more = known.get(name, {})
    licence = more.get("licence") or head["License-Expression"] or head["License"]
    owners = [more["copyright"]] if "copyright" in more else _owners(texts.values())
    if not licence or not owners:
        raise CannotBuild(
            f"cannot determine the licence of {name}: the wheel does not name it; add it to licences.toml"
        )
    texts_with = more.get("texts", {})
    unknown = set(re.split(r" AND | OR ", licence)) - {"Apache-2.0", "GPL-3.0-or-later", *texts_with}
    if unknown and not texts:
        raise CannotBuild(f"cannot find the text of {', '.join(sorted(unknown))} for {name}: it is not in the wheel")
    tops = sorted({_place(path) for path in names if not path.parts[0].endswith(".data")})
    return Bundled(
        name=name,
        version=str(head["Version"]),
        licence=str(licence),
        owners=owners,
        places=tops,
        comment=more.get("comment", ""),
        texts=texts,
        texts_with=texts_with,
    )


def _place(path: PurePosixPath) -> str:
    """The shortest path that belongs to only one distribution."""
    depth = 2 if path.parts[0] == _SHARED else 1
    return str(path) if len(path.parts) <= depth else f"{'/'.join(path.parts[:depth])}/*"


def _owners(texts: Iterable[str]) -> list[str]:
    found: list[str] = []
    for text in texts:
        for owner in _OWNER.findall(text):
            name = _FULL_STOP.sub("", " ".join(owner.split()))
            # Placeholders of licence templates, and sentences about copyright, are not owners.
            if (
                name
                and not re.match(r"(\[|\{|owner|notice|holder|law|and|license|statement)", name, re.I)
                and len(name) < 120
            ):
                found.append(name)
    return list(dict.fromkeys(found))


def copyright_file(bundled: Iterable[Bundled]) -> str:
    """debian/copyright in its machine-readable form."""
    parts = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
        f"Upstream-Name: {NAME}",
        "Comment: The environment in /usr/lib contains Python modules of other projects as published, without",
        " their tests. Each is listed here with its version, its owners and its licence.",
        "",
        "Files: *",
        "Copyright: ftl2-enterprise contributors",
        "License: Apache-2.0",
        "",
    ]
    for one in bundled:
        first, *rest = [f"{ENVIRONMENT}/{SITE_PACKAGES}/{place}" for place in one.places]
        parts += [f"Files: {first}", *(f" {path}" for path in rest)]
        parts += [f"Copyright: {one.owners[0]}", *(f" {owner}" for owner in one.owners[1:])]
        parts += [f"License: {_short_name(one)}", *_text(one)]
        parts += [f"Comment: {one.name} {one.version}. {one.comment}".rstrip(), ""]
    parts += _stanzas()
    return "\n".join(parts) + "\n"


def _short_name(one: Bundled) -> str:
    """The name of a licence in the file: the SPDX expression, or the name of the work if its text differs."""
    expression = one.licence.replace(" AND ", " and ").replace(" OR ", " or ")
    return f"{one.name}-licence" if _own_texts(one) or one.texts_with else expression


def _own_texts(one: Bundled) -> list[str]:
    return [text for text in one.texts.values() if _common(text) is None]


def _text(one: Bundled) -> list[str]:
    texts = _own_texts(one)
    if not texts and not one.texts_with:
        return []
    lines = [
        f"{one.licence}.",
        *(["Apache-2.0 is in /usr/share/common-licenses."] if _has_common(one, "Apache-2.0") else []),
        *(["GPL-3.0-or-later is in /usr/share/common-licenses/GPL-3."] if _has_common(one, "GPL-3") else []),
        *[
            f"The text of {licence} is that of {other}, except the owners."
            for licence, other in one.texts_with.items()
        ],
    ]
    for text in texts:
        lines += ["", *text.splitlines()]
    return [f" {line.rstrip()}" if line.strip() else " ." for line in lines]


def _has_common(one: Bundled, name: str) -> bool:
    return any(_common(text) == name for text in one.texts.values()) or (bool(one.texts_with) and name in one.licence)


def _common(text: str) -> str | None:
    for name, (beginning, length) in COMMON.items():
        if beginning in text[:300] and len(text) > length:
            return name
    return None


def _stanzas() -> list[str]:
    return [
        "License: Apache-2.0",
        " On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.",
        "",
        "License: GPL-3.0-or-later",
        " This program is free software: you can redistribute it and/or modify it under the terms of the GNU General",
        " Public License as published by the Free Software Foundation, either version 3 of the License, or (at your",
        " option) any later version.",
        " .",
        " On Debian systems the text is in /usr/share/common-licenses/GPL-3.",
    ]


def expression(bundled: Iterable[Bundled]) -> str:
    """The SPDX expression of the whole package; alternatives of a bundled work stay alternatives."""
    parts = {part for one in bundled for part in one.licence.split(" AND ")} | {"Apache-2.0"}
    return " AND ".join(f"({part})" if " OR " in part else part for part in sorted(parts))


def write_texts(bundled: Iterable[Bundled], folder: Path) -> None:
    """Write every licence text as published, in a folder for each work, and the one of this program."""
    folder.mkdir(parents=True)
    (folder / "LICENSE").write_bytes((SOURCE / "LICENSE").read_bytes())
    for one in bundled:
        own = folder / one.name
        own.mkdir()
        summary = f"{one.name} {one.version}\nLicence: {one.licence}\n" + "".join(
            f"Copyright: {who}\n" for who in one.owners
        )
        others = [f"The text of {licence} is in ../{other}.\n" for licence, other in one.texts_with.items()]
        (own / "ABOUT").write_text("".join([summary, *others, one.comment]).rstrip() + "\n", encoding="utf-8")
        for name, text in one.texts.items():
            (own / name).write_text(text + "\n", encoding="utf-8")
