"""The `ftl2ctl` command. What the service renders is printed before anything else is loaded."""

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
    from ftl2_enterprise.entrypoints import loading  # noqa: PLC0415 - takes longer than a glance

    sys.exit(loading.main_of(lambda: _load(failure)))


def _load(failure: OSError | None) -> Callable[[], int]:
    _without_extensions()
    from ftl2_enterprise.ctl import main as shell  # noqa: PLC0415 - as main_of() says

    return shell.main if failure is None else lambda: shell.ended_by(failure)


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
