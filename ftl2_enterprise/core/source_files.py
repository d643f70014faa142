"""Files that a desired state is made of: on the disk of this machine, or sent by the person who submitted it."""

from __future__ import annotations

import os
from errno import EFBIG, ENOENT
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, final

from ftl2_enterprise.core.problem import Problem, invalid, not_found, unavailable
from ftl2_enterprise.core.regular_file import LARGEST, read_regular, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_FILES = 10_000
"""Files below one directory."""


class SourceFiles(Protocol):
    """Where files are read from."""

    def of(self, path: Path) -> SourceFiles:
        """Where that file or directory is, and what is next to it: here, or on the disk."""
        ...

    def read(self, path: Path, most: int = LARGEST) -> bytes:
        """The content of a regular file of at most `most` bytes. Raises OSError."""
        ...

    def is_directory(self, path: Path) -> bool:
        """Whether it is a directory. Raises OSError if that cannot be found out."""
        ...

    def entries(self, directory: Path) -> list[Path]:
        """What is directly in a directory, of any kind, in the order of names. Raises OSError."""
        ...

    def below(self, directory: Path) -> list[Path]:
        """The regular files below a directory, in the order of their paths; none without it. Raises OSError."""
        ...


@final
class DiskFiles:
    """The files of this machine, as this process may read them."""

    def of(self, path: Path) -> SourceFiles:
        """As `SourceFiles.of`."""
        del path
        return self

    def read(self, path: Path, most: int = LARGEST) -> bytes:
        """As `SourceFiles.read`."""
        return read_regular(path, most)

    def is_directory(self, path: Path) -> bool:
        """As `SourceFiles.is_directory`."""
        return _is_directory(path)

    def entries(self, directory: Path) -> list[Path]:
        """As `SourceFiles.entries`."""
        return sorted(directory.iterdir())

    def below(self, directory: Path) -> list[Path]:
        """As `SourceFiles.below`. Links to directories are followed directly below it only, as Ansible does."""
        found: list[Path] = []
        if _is_directory(directory):
            for entry in directory.iterdir():
                for file in _files_below(entry) if _is_directory(entry) else [entry]:
                    if file.is_file():
                        found.append(file)
                    if len(found) > MOST_FILES:
                        raise OSError(0, f"there are more than {MOST_FILES} files below it", str(directory))
        return sorted(found)


ON_DISK = DiskFiles()


@final
class SentFiles:
    """Files whose content was sent, by path. Others are on the disk."""

    def __init__(self, contents: Mapping[str, str]) -> None:
        self._contents = {Path(path): text.encode() for path, text in contents.items()}
        self.used: set[str] = set()
        """The paths of those that were read."""

    def of(self, path: Path) -> SourceFiles:
        """As `SourceFiles.of`."""
        return self if path in self._contents or self.is_directory(path) else ON_DISK

    def read(self, path: Path, most: int = LARGEST) -> bytes:
        """As `SourceFiles.read`."""
        content = self._contents.get(path)
        if content is None:
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(path))
        if len(content) > most:
            raise OSError(EFBIG, f"it is larger than {size_text(most)}", str(path))
        self.used.add(str(path))
        return content

    def is_directory(self, path: Path) -> bool:
        """As `SourceFiles.is_directory`."""
        return any(path in one.parents for one in self._contents)

    def entries(self, directory: Path) -> list[Path]:
        """As `SourceFiles.entries`."""
        return sorted(one for one in self._contents if one.parent == directory)

    def below(self, directory: Path) -> list[Path]:
        """As `SourceFiles.below`."""
        return sorted(one for one in self._contents if directory in one.parents)


def unreadable(what: str, error: OSError | ValueError) -> Problem:
    """Why a file cannot be read, with what helps; `what` begins with "cannot"."""
    if not isinstance(error, OSError):
        return invalid(f"{what}: its path has characters that no file name has", "check the path")
    reason = error.strerror or str(error)
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return not_found(f"{what}: there is no such file", "check the path")
        case PermissionError():
            return unavailable(
                f"{what}: {reason} for the user {_user()}",
                "let that user read it and enter its directories, or submit it with `ftl2ctl submit`, which sends it",
            )
        case _ if reason.startswith("it is "):
            return invalid(f"{what}: {reason}", "give a regular file that is smaller" if error.errno == EFBIG else
                           "give a regular file")  # fmt: skip
        case _:
            return unavailable(f"{what}: {reason}", "check the file system")


def _user() -> str:
    import pwd  # noqa: PLC0415 - for a refusal only

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _is_directory(path: Path) -> bool:
    try:
        # Path.is_dir() takes what cannot be found out for no directory, or raises, depending on the reason.
        return Path(path).stat().st_mode & 0o170000 == 0o040000
    except (FileNotFoundError, NotADirectoryError):
        return False


def _files_below(directory: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(directory):
        for name in names:
            yield Path(folder, name)
