"""What neither rules nor observations can read on the machine of the service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.loops.secret_answers import SecretAnswers
from ftl2_enterprise.loops.secrets import credentials_directory

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.model import Settings

OF_SQLITE = ("", "-wal", "-shm", "-journal")


def hidden_places(settings: Settings) -> list[str]:
    """The secrets of the unit and of people, and the files of the database with its copies and the service's lock.

    The database has what every loop has seen and done. Its files, and the lock, must also not be opened: a process
    that may only read a file can lock it against those that write.
    """
    directory = credentials_directory(os.environ)
    found = [directory] if directory else []
    if settings.store.path:
        given = Path(settings.store.path)
        found.append(SecretAnswers(given).directory)
        # SQLite keeps its other files next to the file that a link leads to.
        for database in dict.fromkeys((given, Path(os.path.realpath(given)))):
            found += [f"{database}{suffix}" for suffix in OF_SQLITE]
            found += [str(file) for file in database.parent.glob(f"{database.name}.*") if file.is_file()]
    return found
