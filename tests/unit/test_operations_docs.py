"""What docs/operations tells people to type exists: commands, options, settings, files of the units."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftl2_enterprise.console.cli import COMMANDS
from ftl2_enterprise.core import settings
from ftl2_enterprise.shell.registry import MODULES
from ftl2_enterprise.supervisor.logs.journal import FIELDS

PAGES = sorted(Path("docs/operations").glob("*.md"))
CODE = re.compile(r"`([^`\n]+)`|```(?:sh|toml|ini)\n(.*?)```", re.DOTALL)


def _texts(page: Path) -> list[str]:
    found: list[str] = []
    for one, block in CODE.findall(page.read_text()):
        found += block.splitlines() if block else [one]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    texts = _texts(page)
    ours = {match[1] for text in texts if (match := re.match(r"ftl2-enterprise ([a-z-]+)", text))}
    steering = {match[1] for text in texts if (match := re.match(r"ftl2ctl ([a-z-]+)", text))}
    assert ours
    assert steering
    assert ours <= set(COMMANDS)
    assert steering <= set(MODULES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_and_fields_exist(page: Path) -> None:
    keys = set(settings.load(environ={"HOME": "/nowhere"}, etc=Path("/nowhere")).origins)
    sections = "|".join(settings.SECTIONS)
    named = {text for text in _texts(page) if re.fullmatch(rf"(?:{sections})\.[a-z_]+", text)}
    assert named
    assert named <= keys
    fields = set(re.findall(r"FTL2_[A-Z_]+(?==|`)", page.read_text()))
    assert fields <= {*FIELDS.values(), "FTL2_PROCESS"}


def test_the_examples_that_are_copied_are_there() -> None:
    copied = set(re.findall(r"/examples/([a-z-]+\.conf)", "".join(page.read_text() for page in PAGES)))
    assert copied == {path.name for path in Path("systemd/examples").iterdir()}
