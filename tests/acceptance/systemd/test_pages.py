"""Each page of docs/operations, command by command, on a machine of its own.

A note above a block says how it behaves: `<!-- as alice, ends with 2, saying "cannot" or "wrong.toml" -->`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.systemd.conftest import Packages, machine_of
from tests.acceptance.systemd.manifests import MESSAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn
    from tests.acceptance.systemd.tree import Tree

PAGES = sorted(Path("docs/operations").glob("*.md"))
BLOCK = re.compile(r"(?:<!--(?P<note>[^>]*)-->\n)?```sh\n(?P<script>.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One block of commands, as a reader copies it."""

    script: str
    user: str | None
    status: int
    says: list[str]


def examples(page: Path) -> list[Example]:
    found: list[Example] = []
    for block in BLOCK.finditer(page.read_text()):
        note = block["note"] or ""
        if "not run:" in note:
            continue
        user = re.search(r"as (\w+)", note)
        status = re.search(r"ends with (\d+)", note)
        says = re.findall(r'(?:saying|or) "([^"]+)"', note)
        found.append(Example(block["script"], user[1] if user else None, int(status[1]) if status else 0, says))
    return found


@pytest.fixture
def prepared(
    request: pytest.FixtureRequest, tree: Tree, packages: Packages, places: Iterator[Path]
) -> Iterator[Machine[Nspawn]]:
    """A machine as its reader has it: the package file is in /root, and it is installed but for the page on that."""
    bare = request.node.callspec.params["page"].name == "install.md"
    layers = [] if bare else [request.getfixturevalue("installed")]
    with machine_of(tree, next(places), *layers) as made:
        made.write(f"/root/{packages.present.name}", packages.present.read_bytes())
        if bare:
            made.add_user("alice")
        else:
            made.until_well()
            made.submit("survivor", MESSAGE.replace("message", "survivor"), "--wait")
        yield made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_the_page_works(prepared: Machine[Nspawn], page: Path) -> None:
    tried = examples(page)
    assert tried
    for example in tried:
        home = f"/home/{example.user}" if example.user else "/root"
        script = f"cd {home}; export HOME={home}; set -e\n{example.script}"
        done = prepared.try_("bash", "-c", script, user=example.user, seconds=120)
        assert done.status == example.status, f"{page}: {example.script}\n{done}"
        for words in example.says:
            assert words in done.said, f"{page}: {words!r} is not said by\n{example.script}\n{done}"
        assert "Traceback" not in done.said
