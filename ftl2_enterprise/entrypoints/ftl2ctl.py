"""The `ftl2ctl` command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ftl2_enterprise.entrypoints import loading

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run and exit."""
    sys.exit(loading.main_of(_load))


def _load() -> Callable[[], int]:
    _without_extensions()
    from ftl2_enterprise.shell import main as shell  # noqa: PLC0415 - as main_of() says

    return shell.main


def _without_extensions() -> None:
    """Load msgspec without typing_extensions, which takes a third of the time of a whole command.

    msgspec uses it where it is installed, for what the present Python has itself.
    """
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # pyright: ignore[reportArgumentType] - Python's way to say "not there"
    try:
        import msgspec  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
    finally:
        del sys.modules["typing_extensions"]


if __name__ == "__main__":
    main()
