"""The changelog of the packages, from CHANGELOG.md."""

from __future__ import annotations

import json
import re
import textwrap
from email.utils import format_datetime
from typing import TYPE_CHECKING

from ftl2_packaging.places import NAME, SOURCE

if TYPE_CHECKING:
    from datetime import datetime

    from ftl2_packaging.places import Build

MAINTAINER = "ftl2-enterprise maintainers <maintainers@ftl2-enterprise.invalid>"
"""A distributor of the packages replaces this."""


def rpm_changelog(build: Build, date: datetime) -> str:
    """The changelog in the format of nfpm (JSON is YAML)."""
    return json.dumps(
        [
            {
                "semver": f"{build.version}-{build.release}",
                "date": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "packager": MAINTAINER,
                "changes": [{"note": "\n    ".join(textwrap.wrap(entry, width=74))} for entry in _entries()],
            }
        ],
        indent=1,
    )


def debian_changelog(build: Build, date: datetime) -> str:
    """The changelog in the format of Debian's policy (4.4); nfpm would make an item of every line."""
    entries = [
        textwrap.fill(entry, width=78, initial_indent="  * ", subsequent_indent="    ", break_on_hyphens=False)
        for entry in _entries()
    ]
    head = f"{NAME} ({build.version}-{build.release}) stable; urgency=medium"
    return "\n".join([head, "", *entries, "", f" -- {MAINTAINER}  {format_datetime(date)}", ""])


def _entries() -> list[str]:
    """The entries of the newest section, which is the version that is built."""
    text = (SOURCE / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = text.split("\n## ")[1].partition("\n")[2]
    return [" ".join(entry.split()).replace("`", "") for entry in re.split(r"^- ", newest, flags=re.MULTILINE)[1:]]
