"""The files that a desired state names, read by the user who submits it and sent to the service."""

from __future__ import annotations

import os
from errno import EFBIG
from typing import TYPE_CHECKING, Any, cast

from ftl2_enterprise.core.paths import ETC
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.protocol.loops.sent_files import LARGEST_SUM, MOST_FILES, SEND_LESS, VARS_SUFFIXES, SentFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ftl2_enterprise.protocol.loops.nouns import LoopSpec

POLICY_SUFFIXES = (".yml", ".yaml")
VARIABLES = ("group_vars", "host_vars")
"""Directories next to an inventory."""
SOURCE_MODULES = ("copy", "template")


def files_of(spec: LoopSpec) -> list[SentFile]:
    """The files that a specification names and that the service does not read itself.

    Raises Problem for one that cannot be sent, and for more than can be.
    """
    return files(spec.inventory, spec.policy, sources_of(spec))


def files(inventory: str | None, policy: str | None = None, sources: Sequence[str] = ()) -> list[SentFile]:
    """The inventory with its variables, the policy and the sources, as far as the service does not read them itself.

    Raises Problem for one that cannot be sent, and for more than can be.
    """
    if inventory is None and policy is None and not sources:
        return []
    found = _Files()
    if inventory is not None:
        found.add_inventory(inventory)
    if policy is not None:
        found.add_policy(policy)
    for source in sources:
        found.add(source, "file")
    return found.files


def kept_files(before: LoopSpec, *, text: bool, inventory: bool, policy: bool) -> list[str]:
    """The paths of the files that are stored with a loop and stay, because what names them is not given again."""

    def stays(path: str) -> bool:
        if before.inventory is not None and _is_of_inventory(path, before.inventory):
            return not inventory
        if before.policy is not None and (path == before.policy or path.startswith(f"{before.policy}/")):
            return not policy
        return not text

    return [path for path in sorted(before.files) if stays(path)]


def _is_of_inventory(path: str, inventory: str) -> bool:
    directory = os.path.dirname(inventory)  # noqa: PTH120
    return path == inventory or path.startswith(tuple(f"{directory}/{name}/" for name in VARIABLES))


class _Files:
    def __init__(self) -> None:
        self.files: list[SentFile] = []
        self._paths: set[str] = set()
        self._left = LARGEST_SUM

    def add_inventory(self, path: str) -> None:
        """Add an inventory, unless it is a program, with the variables of groups and hosts next to it."""
        if not _is_program(path) and self.add(path, "inventory"):
            directory = os.path.dirname(path)  # noqa: PTH120
            for name in VARIABLES:
                for file in _variables(os.path.join(directory, name)):  # noqa: PTH118
                    self.add(str(file), "variables", is_listed=True)

    def add_policy(self, path: str) -> None:
        """Add a policy file, or each of a directory."""
        if not os.path.isdir(path):  # noqa: PTH112 - False also for what may not be read
            self.add(path, "policy")
            return
        names = os.listdir(path) if os.access(path, os.R_OK | os.X_OK) else []  # noqa: PTH208
        for name in sorted(names):
            if name.endswith(POLICY_SUFFIXES):
                self.add(os.path.join(path, name), "policy", is_listed=True)  # noqa: PTH118

    def add(self, path: str, what: str, *, is_listed: bool = False) -> bool:
        """Add one file; False if the service has to read it itself.

        That is one below /etc/ftl2-enterprise, and one that does not exist here or that this user may not read: the
        service may, or has the better message. One that was found in a directory must be readable.
        """
        from ftl2_enterprise.core.regular_file import read_regular  # noqa: PLC0415 - few requests name files
        from ftl2_enterprise.core.source_files import unreadable  # noqa: PLC0415

        if path in self._paths or os.path.realpath(path).startswith(f"{ETC}/"):
            return path in self._paths
        try:
            content = read_regular(path, self._left + 1)
            text = content.decode()
        except UnicodeDecodeError:
            raise invalid(f"cannot send the {what} {path}: it is not UTF-8 text", "only texts can be sent") from None
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            if is_listed:
                raise unreadable(f"cannot send the {what} {path}", error) from error
            return False
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno == EFBIG:
                raise _too_large(what, path) from error
            raise unreadable(f"cannot send the {what} {path}", error) from error
        self._left -= len(content)
        if self._left < 0:
            raise _too_large(what, path)
        if len(self.files) == MOST_FILES:
            raise invalid(f"cannot send the {what} {path}: it is the file number {MOST_FILES + 1}", SEND_LESS)
        self._paths.add(path)
        self.files.append(SentFile(path=path, content=text))
        return True


def _too_large(what: str, path: str) -> Exception:
    return invalid(
        f"cannot send the {what} {path}: with it, the files are larger than {LARGEST_SUM >> 20} MiB", SEND_LESS
    )


def _is_program(path: str) -> bool:
    """Whether the inventory is the output of a program, which the service executes."""
    from ftl2_enterprise.core.regular_file import is_program  # noqa: PLC0415 - few requests name files

    try:
        return is_program(path)
    except (OSError, ValueError):
        return False


def _variables(directory: str) -> Iterator[Path]:
    from pathlib import Path  # noqa: PLC0415 - as above

    from ftl2_enterprise.core.source_files import ON_DISK, unreadable  # noqa: PLC0415

    try:
        below = ON_DISK.below(Path(directory))
    except OSError as error:
        raise unreadable(f"cannot send the variables in {directory}", error) from error
    for file in below:
        if file.suffix in VARS_SUFFIXES and not file.name.startswith(".") and not file.name.endswith("~"):
            yield file


# --- the sources of a manifest -----------------------------------------------------------------------------------


def sources_of(spec: LoopSpec) -> list[str]:
    """The absolute paths of the files that a manifest names without a template. Others the service reads itself."""
    if spec.source is None or "src" not in spec.desired_state:
        return []
    from pathlib import Path  # noqa: PLC0415 - as above

    directory = Path(spec.source).parent
    named = [source for source in _named(spec.desired_state) if source and "{" not in source and "\0" not in source]
    return list(dict.fromkeys(str(directory / source) for source in named))


def _named(text: str) -> Iterator[str]:
    import yaml  # noqa: PLC0415 - most desired states name no files

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        manifest: Any = yaml.load(text, Loader=loader)  # the safe loader, in C where there is one
    except (yaml.YAMLError, ValueError, RecursionError):
        return  # the service refuses it, with the line
    for step in _list(_mapping(manifest).get("steps")):
        fields = _mapping(step)
        for module in SOURCE_MODULES:
            yield _source(fields.get(module))
        for action in [fields.get("action"), *_list(fields.get("actions"))]:
            given = _mapping(action)
            if str(given.get("module", "")).rpartition(".")[2] in SOURCE_MODULES:
                yield _source(given.get("params"))


def _source(params: Any) -> str:
    found = _mapping(params).get("src")
    return found if isinstance(found, str) else ""


def _mapping(value: Any) -> dict[Any, Any]:
    return cast("dict[Any, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
