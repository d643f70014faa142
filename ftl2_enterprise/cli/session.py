"""What every command of one call shares: its settings, its streams, how it was called."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.core import settings as setting
from ftl2_enterprise.render.colour import Painter, painter

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings import Loaded, Settings
    from ftl2_enterprise.store.database import Store

PROGRAM = "ftl2-enterprise"


def called_as(given: str, search: str | None = None) -> list[str]:
    """The words that call this program again: its name where that finds it, else the way it was called."""
    if Path(given).suffix == ".py":
        # python -m gives the path of the module.
        return [sys.executable, "-m", "ftl2_enterprise.entrypoints.ftl2_enterprise"]
    if Path(given).name != PROGRAM:
        return [PROGRAM]
    found = shutil.which(PROGRAM, path=search)
    try:
        is_found = found is not None and Path(found).samefile(given)
    except OSError:
        is_found = True
    return [PROGRAM] if is_found else [given]


@dataclass
class Session:
    """Made by the group from its options."""

    db: str | None = None
    config: Path | None = None
    options: dict[str, str] = field(default_factory=dict[str, str])
    """Settings that the command's own options give."""
    wants_json: bool = False
    """The command prints JSON, so its problems are told as JSON as well."""
    out: Painter = field(default_factory=painter)

    @property
    def flags(self) -> dict[str, str]:
        """Settings that were given on the command line."""
        return self.options if self.db is None else {"store.path": self.db, **self.options}

    @cached_property
    def loaded(self) -> Loaded:
        """The settings and their origins. Raises Problem."""
        return setting.load(config=self.config, flags=self.flags)

    @property
    def settings(self) -> Settings:
        """The settings. Raises Problem."""
        return self.loaded.settings

    @property
    def program(self) -> list[str]:
        """How to call this program so that it finds the same database."""
        words = called_as(sys.argv[0])
        if self.db is not None:
            words += ["--db", self.settings.store.path]
        if self.config is not None:
            words += ["--config", str(self.config.absolute())]
        return words

    def open_store(self) -> Store:
        """The database, which must exist. Raises Problem."""
        from ftl2_enterprise.store.database import open_store  # noqa: PLC0415 - not needed for --help

        return open_store(Path(self.settings.store.path), create=False)
