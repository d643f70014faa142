"""The changelog of the packages, from CHANGELOG.md."""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING

from ftl2_packaging.places import SOURCE

if TYPE_CHECKING:
    from datetime import datetime

    from ftl2_packaging.places import Build

MAINTAINER = "ftl2-enterprise maintainers <maintainers@ftl2-enterprise.invalid>"
"""Who distributes the packages names itself here."""


def changelog(build: Build, date: datetime) -> str:
    """As nfpm reads it (JSON is YAML): what is not released yet is the version that is built."""
    text = (SOURCE / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = text.split("\n## ")[1].partition("\n")[2]
    entries = [" ".join(entry.split()).replace("`", "") for entry in re.split(r"^- ", newest, flags=re.MULTILINE)[1:]]
    return json.dumps(
        [
            {
                "semver": f"{build.version}-{build.release}",
                "date": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "packager": MAINTAINER,
                "deb": {"urgency": "medium", "distributions": ["stable"]},
                "changes": [{"note": "\n    ".join(textwrap.wrap(entry, width=74))} for entry in entries],
            }
        ],
        indent=1,
    )
