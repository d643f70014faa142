"""The how-to guides as examples: blocks of commands, as a reader copies them.

A note above a block describes its result: `<!-- as alice, exits with 2, prints "cannot" and "wrong.toml" -->`. A
block with `after: SITUATION` is for a machine in that situation.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.systemd.machine import Machine

FILES = "/var/tmp"
"""Where the administrator has the package file and works; apt's own user can read it there."""
_BLOCK = re.compile(r"(?:<!--(?P<note>[^>]*)-->\n)?```sh\n(?P<script>.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One block of commands."""

    page: str
    script: str
    user: str | None
    status: int
    prints: list[str]
    is_for_host: bool = False
    """Whether it is for the second machine, which the service manages."""

    def follow(self, machine: Machine[Any], **variables: str) -> None:
        """Execute it with these variables of the shell, and compare the result with the page."""
        home = f"/home/{self.user}" if self.user else "/root"
        given = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
        script = f"cd {home if self.user else FILES}; export HOME={home}; set -e\n{given}{self.script}"
        done = machine.try_("bash", "-c", script, user=self.user, seconds=120)
        assert done.status == self.status, f"{self.page}: {self.script}\n{done}"
        for words in self.prints:
            assert words in done.output, f"{self.page}: {words!r} is not in the output of\n{self.script}\n{done}"
        assert "Traceback" not in done.output


def examples(page: Path, after: str | None = None) -> list[Example]:
    """Those for a machine on which nothing particular has happened, or for one after what is named."""
    found: list[Example] = []
    for block in _BLOCK.finditer(page.read_text()):
        note = block["note"] or ""
        situation = re.search(r"after: ([^,]+?)(?:,|\s*$)", note)
        if "not run:" in note or (situation[1] if situation else None) != after:
            continue
        user = re.search(r"as (\w+)", note)
        status = re.search(r"exits with (\d+)", note)
        prints = re.findall(r'(?:prints|and) "([^"]+)"', note)
        found.append(
            Example(
                page.name, block["script"], user[1] if user else None, int(status[1]) if status else 0, prints,
                is_for_host="on the second machine" in note,
            )
        )  # fmt: skip
    return found
