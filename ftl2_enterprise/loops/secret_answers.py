"""Secrets that people typed as answers: files next to the database, which has the mask in their place.

`DATABASE.secrets/ID-ASKED` is the answer to one prompt; the time at which it was asked belongs to the name, because a
database that was restored from a backup uses numbers again. A file is written before the answer is committed. One
without a recorded answer is never read, and an answer whose file is lost counts as not given.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.store import private_files
from ftl2_enterprise.store.private_files import PrivateFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.nouns import Prompt

SUFFIX = private_files.SECRETS
LARGEST = 64 * 1024
"""Bytes of a file; an answer has at most 10,000 characters."""


class SecretAnswers:
    """The answers of one database."""

    def __init__(self, database: Path) -> None:
        self._files: PrivateFiles = PrivateFiles(database, SUFFIX)
        self.directory: str = self._files.directory

    def put(self, prompt: Prompt, answer: str) -> None:
        """Keep the answer; it is on the disk when this returns. Only in a write transaction. Raises Problem."""
        try:
            self._files.make_directory()
            with self._files.opened() as directory:
                os.fchmod(directory, private_files.DIRECTORY_MODE)
                # No other process writes here now: what has no final name was left by one that was killed.
                _remove(directory, lambda name: name.startswith("."))
                self._files.write(directory, _name(prompt), answer.encode())
        except OSError as error:
            raise self._failed("keep the secret", error) from error

    def get(self, prompt: Prompt) -> str | None:
        """The answer; None if it is lost. Raises Problem if it cannot be read."""
        try:
            with self._files.opened() as directory:
                body = private_files.read(directory, _name(prompt), LARGEST)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(f"read the answer to prompt {prompt.id}", error) from error
        except ValueError as error:
            raise Problem(Code.UNAVAILABLE, f"cannot read the answer to prompt {prompt.id}: {error}") from error
        return None if body is None else body.decode()

    def keep_only(self, prompts: Iterable[Prompt]) -> None:
        """Remove every other file. What cannot be removed stays. Only in a write transaction."""
        kept = {_name(prompt) for prompt in prompts}
        with contextlib.suppress(OSError), self._files.opened() as directory:
            _remove(directory, lambda name: name not in kept)

    def _failed(self, doing: str, error: OSError) -> Problem:
        why = (error.strerror or "failed").lower()
        return Problem(
            Code.DENIED if isinstance(error, PermissionError) else Code.UNAVAILABLE,
            f"cannot {doing}: {self.directory}: {why}",
            hint="it has to belong to the user of the database",
        )


def _remove(directory: int, is_left_over: Callable[[str], bool]) -> None:
    for name in filter(is_left_over, os.listdir(directory)):
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=directory)


def _name(prompt: Prompt) -> str:
    return f"{prompt.id}-{prompt.asked_at}"
