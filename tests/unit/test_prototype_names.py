"""Every name that docs/reference/prototype-names.md gives as a replacement exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from ftl2_enterprise.cli.program import FTL2_ENTERPRISE
from ftl2_enterprise.commandline.finder import places
from ftl2_enterprise.ctl.program import FTL2CTL

PAGE = Path("docs/reference/prototype-names.md").read_text()
FUNCTIONS = sorted(set(re.findall(r"`(ftl2_enterprise\.[a-z_.]+)\(", PAGE)))
REPLACEMENTS = "\n".join(row.split("|")[2] for row in PAGE.splitlines() if row.startswith("| `"))
PROMISED = [
    "create_db",
    "create_loop",
    "insert_iteration",
    "insert_action",
    "insert_prompt",
    "list_loops",
    "get_iterations",
    "get_actions_for_loop",
    "run_loop",
    "run",
]


def test_every_promised_name_has_a_row() -> None:
    assert [name for name in PROMISED if f"`{name}(" not in PAGE] == []
    assert len(FUNCTIONS) == 9


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_function_exists(name: str) -> None:
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_commands_exist() -> None:
    ours = set(re.findall(r"`ftl2-enterprise ([a-z-]+)", REPLACEMENTS))
    client = set(re.findall(r"`ftl2ctl ([a-z-]+)", REPLACEMENTS))
    assert {"init-db", "run", "supervise", "respond", "history"} <= ours <= set(places(FTL2_ENTERPRISE))
    assert {"submit", "answer", "status"} <= client <= set(places(FTL2CTL))
