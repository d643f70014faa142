"""The `ftl2-enterprise` command."""

from __future__ import annotations

import sys

from ftl2_enterprise.console import cli


def main() -> None:
    """Run and exit."""
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
