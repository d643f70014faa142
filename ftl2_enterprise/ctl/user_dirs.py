"""Where a person's own files are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ftl2_enterprise.core import paths

if TYPE_CHECKING:
    from collections.abc import Mapping


def own_dir(variables: Mapping[str, str]) -> str:
    """The directory of this person, root or not; the service's own directories are nobody's."""
    named = variables.get("XDG_STATE_HOME", "")
    # The XDG specification wants relative values ignored.
    base = named if named.startswith("/") else os.path.expanduser("~/.local/state")  # noqa: PTH111
    return f"{base}/{paths.NAME}"
