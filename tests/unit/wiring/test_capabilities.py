"""The list of capabilities, and what is refused of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ftl2_enterprise
from ftl2_enterprise.wiring import processes
from ftl2_enterprise.wiring.capabilities import NAMES, capabilities

PACKAGE = Path(ftl2_enterprise.__path__[0])


def test_each_name_has_its_folders_and_its_record() -> None:
    assert [one.name for one in capabilities()] == list(NAMES)
    for name in NAMES:
        for folder in (PACKAGE / name, PACKAGE / "protocol" / name, PACKAGE / "wiring" / name):
            assert (folder / "__init__.py").is_file(), folder


def test_the_names_are_known_without_loading_the_capabilities() -> None:
    program = """if True:
        import sys
        from ftl2_enterprise.wiring import capabilities
        folders = tuple(f"ftl2_enterprise.{name}" for name in capabilities.NAMES)
        print(*(module for module in sys.modules if module.startswith(folders)))
    """
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.split() == []


def test_every_kind_of_child_is_forked_in_addition_to_control_and_the_writer() -> None:
    declared = {kind for one in capabilities() for kind in one.child_kinds}
    assert set(processes.kinds()) == {"control", "writer", *declared}
    assert set(processes.firsts()) <= {"control", *declared}
