"""Directories of the user's own files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ftl2_enterprise.core import paths

if TYPE_CHECKING:
    from collections.abc import Mapping


def own_dir(variables: Mapping[str, str]) -> str:
    """The state directory of this user, also of root, whose service has its own."""
    named = variables.get("XDG_STATE_HOME", "")
    # The XDG Base Directory Specification requires relative values to be ignored.
    base = named if named.startswith("/") else os.path.expanduser("~/.local/state")  # noqa: PTH111
    return f"{base}/{paths.NAME}"
