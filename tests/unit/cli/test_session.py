"""How the program is called again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.cli.session import called_as

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("on_path", [True, False])
def test_a_hint_calls_the_program_so_that_it_is_found(tmp_path: Path, *, on_path: bool) -> None:
    program = tmp_path / "ftl2-enterprise"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    search = str(tmp_path) if on_path else "/nowhere"
    assert called_as(str(program), search) == (["ftl2-enterprise"] if on_path else [str(program)])


def test_run_as_a_module_it_is_called_as_one() -> None:
    assert called_as("/x/entrypoints/ftl2_enterprise.py")[1:] == ["-m", "ftl2_enterprise.entrypoints.ftl2_enterprise"]
