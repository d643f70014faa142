"""Each how-to guide, command by command, on its own machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.systemd.conftest import Packages, machine_of
from tests.acceptance.systemd.manifests import MESSAGE
from tests.acceptance.systemd.pages import FILES, examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.systemd.machine import Machine
    from tests.acceptance.systemd.nspawn import Nspawn
    from tests.acceptance.systemd.tree import Tree

ELSEWHERE = {"index", "release", "upgrade-0.2", "first-host"}
"""A list, pages for maintainers and users of 0.1, and one that needs a second machine (`test_second_machine.py`)."""
PAGES = sorted(page for page in Path("docs/how-to").glob("*.md") if page.stem not in ELSEWHERE)


@pytest.fixture
def prepared(
    request: pytest.FixtureRequest, tree: Tree, packages: Packages, places: Iterator[Path]
) -> Iterator[Machine[Nspawn]]:
    """A machine as its reader has it: the package file is at hand, and it is installed but for the page on that."""
    bare = request.node.callspec.params["page"].name == "install.md"
    layers = [] if bare else [request.getfixturevalue("installed")]
    with machine_of(tree, next(places), *layers) as made:
        made.engine.put(packages.present, f"{FILES}/{packages.present.name}")
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
        example.follow(prepared)
