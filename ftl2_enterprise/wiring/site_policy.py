"""The policy of the site: read from its directory, and published by the service to its child processes.

Only control and a run in the foreground read the directory. Control checks what it reads and writes it into one file
next to the database, which is replaced atomically. So a child never reads a directory that is being edited, and
judges each effect by what was accepted last: it compares the status of the file, which costs some microseconds.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, final

from ftl2_enterprise.core.freeze import sentence_of_unusable_policy
from ftl2_enterprise.core.problem import Problem, invalid, unavailable
from ftl2_enterprise.core.regular_file import read_regular
from ftl2_enterprise.gate.policy import published
from ftl2_enterprise.gate.policy.settings import PolicySettings
from ftl2_enterprise.gate.policy.types import Policy
from ftl2_enterprise.store.private_files import SITE_POLICY

if TYPE_CHECKING:
    from ftl2_enterprise.core.settings.model import Settings

LARGEST = 16 << 20
"""Bytes of the published policy."""
MISSING = "cannot find the site policy that the service publishes; reload the service"


def published_file(settings: Settings) -> Path:
    """Where the service publishes the policy."""
    return Path(f"{settings.store.path}.{SITE_POLICY}")


def read_directory(settings: Settings) -> Policy:
    """The policy in the directory of the settings, which may not exist. Raises Problem(invalid)."""
    configured = settings.section(PolicySettings).directory
    directory = Path(configured)
    try:
        is_empty = not configured or not any(directory.iterdir())
    except FileNotFoundError:
        is_empty = True
    except OSError as error:
        raise invalid(f"cannot read the site policy {directory}: {error.strerror}") from error
    if is_empty:
        return Policy(is_site=True)
    # The import of PyYAML takes several milliseconds, and most sites have no policy.
    from ftl2_enterprise.gate.policy.file import load_site_policy  # noqa: PLC0415

    return load_site_policy(directory)


def publish(settings: Settings, policy: Policy) -> None:
    """Write the policy for the processes of the service. Raises OSError; then the previous one stays."""
    file = published_file(settings)
    data = published.encode(policy, service=_service())
    with contextlib.suppress(OSError):
        # A full disk does not matter if nothing has changed.
        if read_regular(file, LARGEST) == data:
            return
    fresh = file.with_name(f"{file.name}.new")
    # What an interrupted attempt has left, or a named pipe, which would block.
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)


def accept(settings: Settings) -> Policy:
    """Read the directory and publish what is in it. Raises Problem; then the previous policy stays in force."""
    policy = read_directory(settings)
    try:
        publish(settings, policy)
    except OSError as error:
        raise unavailable(
            f"cannot publish the site policy as {published_file(settings)}: {error.strerror}",
            "check the disk and its free space",
        ) from error
    return policy


def start(settings: Settings) -> str | None:
    """Publish the policy when control starts; returns a sentence if it cannot be used.

    If the service itself starts, nothing may have an effect then. If only control was started again, the policy that
    the service has accepted stays in force.
    """
    try:
        accept(settings)
    except Problem as problem:
        with contextlib.suppress(Problem, OSError):
            service, policy = published.decode(read_regular(published_file(settings), LARGEST))
            if service == _service() and not policy.problem:
                return f"the previous site policy stays in force: {problem}"
        _refuse_everything(settings, str(problem))
        return sentence_of_unusable_policy(str(problem))
    return None


def _refuse_everything(settings: Settings, why: str) -> None:
    try:
        publish(settings, Policy(is_site=True, problem=why))
    except OSError:
        # Without the file nothing is allowed, either; nor with what cannot be removed, such as a directory.
        with contextlib.suppress(OSError):
            published_file(settings).unlink(missing_ok=True)


def _service() -> str:
    """Which run of the service this process belongs to: that of its parent, which is root."""
    parent = os.getppid()
    try:
        # The time of the start distinguishes processes with the same id (proc_pid_stat(5), field 22).
        started = Path(f"/proc/{parent}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        started = ""
    return f"{parent}:{started}"


@final
class PublishedSite:
    """The policy of the site as it is published now. What cannot be read denies everything."""

    def __init__(self, settings: Settings) -> None:
        self._file: str = str(published_file(settings))
        self._version: tuple[int, int, int] | None = None
        self._policy: Policy = Policy(is_site=True, problem=MISSING)

    def __call__(self) -> Policy:
        """The policy in force."""
        try:
            found = os.stat(self._file)  # noqa: PTH116 - before each effect
            version = (found.st_ino, found.st_mtime_ns, found.st_size)
            if version != self._version:
                _, self._policy = published.decode(read_regular(self._file, LARGEST))
                self._version = version
        except FileNotFoundError:
            self._version, self._policy = None, Policy(is_site=True, problem=MISSING)
        except OSError as error:
            why = f"cannot read the published site policy {self._file}: {error.strerror}"
            self._version, self._policy = None, Policy(is_site=True, problem=why)
        except Problem as problem:
            self._version, self._policy = None, Policy(is_site=True, problem=str(problem))
        return self._policy
