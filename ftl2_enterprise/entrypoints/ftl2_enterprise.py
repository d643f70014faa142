"""The `ftl2-enterprise` command."""

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
    from ftl2_enterprise.cli import main as cli  # noqa: PLC0415 - main_of() imports it

    return cli.main


if __name__ == "__main__":
    main()
