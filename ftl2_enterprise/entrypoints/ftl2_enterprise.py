"""The `ftl2-enterprise` command."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""The shell's word for a program that Ctrl-C ended before it had begun."""


def main() -> None:
    """Run and exit."""
    try:
        # Imported here: a Ctrl-C while the program loads is no reason for a traceback.
        from ftl2_enterprise.console import cli  # noqa: PLC0415

        status = cli.main()
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    main()
