"""The `ftl2ctl` command."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""The shell's word for a program that Ctrl-C ended before it had begun."""


def main() -> None:
    """Run and exit."""
    try:
        _without_extensions()
        # Imported here: a Ctrl-C while the program loads is no reason for a traceback.
        from ftl2_enterprise.shell import main as shell  # noqa: PLC0415

        status = shell.main()
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


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
