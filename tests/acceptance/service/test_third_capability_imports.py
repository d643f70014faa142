"""A third capability needs no line in the import contracts, and they find its wrong imports."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.acceptance.service.test_third_capability import CAPABILITIES, LINKS, add_notes, copied
from tests.support.places import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

CHECKED = ("pyproject.toml", "packaging/check_imports.py", "docs/diagrams.py", "docs/explanation/layers.svg")
"""What is in a checkout besides the package, and concerns imports."""


def check(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_import_contracts_hold_for_it_and_the_layers_are_drawn_with_it(tmp_path: Path) -> None:
    package = copied(tmp_path)
    add_notes(package, CAPABILITIES, LINKS)
    root = package.parent
    for name in CHECKED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, root / name)
    contracts, drawing = root / "packaging" / "check_imports.py", root / "docs" / "diagrams.py"
    done = check(contracts)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert check(drawing, "--check").returncode == 1
    assert check(drawing).returncode == check(drawing, "--check").returncode == 0
    assert ">notes<" in (root / "docs" / "explanation" / "layers.svg").read_text()
    # An import of another capability is found, and one of a capability in the machinery.
    for name, line in (("notes/rows.py", "loops import tables"), ("core/clock.py", "notes import rows")):
        with (package / name).open("a") as file:
            file.write(f"\nfrom ftl2_enterprise.{line}\n")
    done = check(contracts)
    assert done.returncode == 1
    broken = {line.partition(" BROKEN")[0] for line in done.stdout.splitlines() if " BROKEN" in line}
    assert "notes knows no other capability, except the facts that its links follow" in broken
    assert "The machinery knows no capability" in broken
