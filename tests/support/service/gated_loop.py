"""Loops that are held in the middle of a step: they leave `begun` in a directory and continue once `gate` exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service.daemon import Daemon

GATED = """\
version: 1
name: gated
steps:
  - name: first
    check: {{command: "test -e {effect}"}}
    action: {{module: shell, params: {{cmd: "{hold}; touch {effect}"}}}}
"""


def hold(base: Path) -> str:
    """The command that holds; each time that it begins, it leaves the pid of its shell in a line of `begun`."""
    return f"echo $$ >> {base}/begun; until test -e {base}/gate; do sleep 0.02; done"


def gated(base: Path, *, effect: str = "one") -> str:
    """A manifest with a step that is held, and then makes the file `effect`."""
    return GATED.format(effect=base / effect, hold=hold(base))


def begin(service: Daemon, name: str, manifest: str, base: Path) -> None:
    """Submit the loop, and return when it is held."""
    service.submit(name, manifest)
    until((base / "begun").exists)
