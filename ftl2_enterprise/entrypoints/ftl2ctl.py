"""The `ftl2ctl` command. Views that the service renders are printed before anything else is loaded."""

from __future__ import annotations

import sys

from ftl2_enterprise.ctl import fast_path

TYPE_CHECKING = False  # as in core.paths
if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run and exit."""
    failure: OSError | None = None
    try:
        if fast_path.show(sys.argv[1:]):
            return
    except KeyboardInterrupt:
        sys.exit(fast_path.interrupted())
    except OSError as error:
        failure = error
    from ftl2_enterprise.entrypoints import loading  # noqa: PLC0415 - takes longer than a view

    sys.exit(loading.main_of(lambda: _load(failure)))


def _load(failure: OSError | None) -> Callable[[], int]:
    _without_extensions()
    from ftl2_enterprise.ctl import main as ctl  # noqa: PLC0415 - main_of() imports it

    return ctl.main if failure is None else lambda: ctl.ended_by(failure)


def _without_extensions() -> None:
    """Import msgspec without typing_extensions, which takes a third of the time of a whole command.

    msgspec imports it if it is installed, for features that this version of Python contains.
    """
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # pyright: ignore[reportArgumentType] - None makes the import fail
    try:
        import msgspec  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
    finally:
        del sys.modules["typing_extensions"]


if __name__ == "__main__":
    main()
