"""The session of a command: its settings, its streams, and how the program was called."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.cli.program import FTL2_ENTERPRISE
from ftl2_enterprise.render.colour import Painter, painter
from ftl2_enterprise.render.text import Role, line

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.model import Loaded, Settings
    from ftl2_enterprise.store.database import Store


def called_as(given: str, search: str | None = None) -> list[str]:
    """The words that call this program again: its name if that finds it, else the path by which it was called."""
    if Path(given).suffix == ".py":
        # python -m gives the path of the module.
        return [sys.executable, "-m", "ftl2_enterprise.entrypoints.ftl2_enterprise"]
    if Path(given).name != FTL2_ENTERPRISE.name:
        return [FTL2_ENTERPRISE.name]
    found = shutil.which(FTL2_ENTERPRISE.name, path=search)
    try:
        is_found = found is not None and Path(found).samefile(given)
    except OSError:
        is_found = True
    return [FTL2_ENTERPRISE.name] if is_found else [given]


@dataclass
class CliSession:
    """The session of one command."""

    db: str | None = None
    config: Path | None = None
    options: dict[str, str] = field(default_factory=dict[str, str])
    """Settings that options of the command override."""
    wants_json: bool = False
    """The command prints JSON; its problems are printed as JSON, too."""
    out: Painter = field(default_factory=painter)

    @property
    def flags(self) -> dict[str, str]:
        """Settings that are given on the command line."""
        return self.options if self.db is None else {"store.path": self.db, **self.options}

    @cached_property
    def loaded(self) -> Loaded:
        """The settings and their origins. Raises Problem."""
        from ftl2_enterprise.wiring.settings import MODEL  # noqa: PLC0415 - not needed for --help

        loaded = MODEL.load(config=self.config, flags=self.flags)
        for sentence in loaded.renamed:
            painter(sys.stderr).print(line((f"warning: {sentence}", Role.WARNING)))
        return loaded

    @property
    def settings(self) -> Settings:
        """The settings. Raises Problem."""
        return self.loaded.settings

    @property
    def program(self) -> list[str]:
        """The words that call this program with the same database and configuration."""
        words = called_as(sys.argv[0])
        if self.db is not None:
            words += ["--db", self.settings.store.path]
        if self.config is not None:
            words += ["--config", str(self.config.absolute())]
        return words

    def open_store(self) -> Store:
        """Open the database, which must exist. Raises Problem."""
        from ftl2_enterprise.wiring.database import open_database  # noqa: PLC0415 - not needed for --help

        return open_database(Path(self.settings.store.path), create=False)

    def command(self, *words: str) -> str:
        """A command of this program with the same database, as it is typed into a shell."""
        return shlex.join([*self.program, *words])

    def document(self, value: object) -> None:
        """Print a JSON document."""
        from ftl2_enterprise.render import json_output  # noqa: PLC0415 - for programs only

        self.out.stream.write(json_output.text(value) + "\n")
