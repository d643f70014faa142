"""What the how-to guides name exists: commands, options, settings, files of the units."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftl2_enterprise.cli.program import FTL2_ENTERPRISE
from ftl2_enterprise.commandline import finder
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.protocol.loops.facts import FACTS, LOOP
from ftl2_enterprise.protocol.subject import Subject
from ftl2_enterprise.supervisor.logs.journal import FIELDS
from ftl2_enterprise.supervisor.logs.record import about
from ftl2_enterprise.wiring.settings import MODEL

PAGES = sorted(page for page in Path("docs/how-to").glob("*.md") if page.stem != "index")
CODE = re.compile(r"`([^`\n]+)`|```(?:sh|toml|ini)\n(.*?)```", re.DOTALL)


def _texts(page: Path) -> list[str]:
    found: list[str] = []
    for one, block in CODE.findall(page.read_text()):
        found += block.splitlines() if block else [one]
    return found


def test_each_task_has_its_page() -> None:
    assert {page.stem for page in PAGES} == {
        "install", "change", "configure", "secrets", "backup", "upgrade", "upgrade-0.2", "hardening", "local-machine",
        "without-systemd", "troubleshoot", "operate", "release", "dry-run", "policy", "first-host",
    }  # fmt: skip
    begin = (PAGES[0].parent / "index.md").read_text()
    assert all(f"({page.name})" in begin for page in PAGES)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        assert [target for target in targets if not (page.parent / target).exists()] == [], page


def test_commands_exist() -> None:
    texts = [text for page in PAGES for text in _texts(page)]
    word = r"(?:--\S+ \S+ )*([a-z-]+)"
    ours = {
        match[1]
        for text in texts
        if (match := re.match(rf"\s*(?:nohup |\./python\S+ -I \./)?ftl2-enterprise {word}", text))
    }
    used = {match[1] for text in texts if (match := re.match(rf"\s*(?:until )?ftl2ctl {word}", text))}
    assert {"supervise", "config", "init-db"} <= ours <= set(finder.names(FTL2_ENTERPRISE))
    assert {"submit", "reload", "upgrade", "health"} <= used
    assert used <= set(finder.names(FTL2CTL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_and_fields_exist(page: Path) -> None:
    keys = {*MODEL.types, *MODEL.renamed}
    sections = "|".join(MODEL.sections)
    named = {text for text in _texts(page) if re.fullmatch(rf"(?:{sections})\.[a-z_]+", text)}
    assert named <= keys
    fields = set(re.findall(r"FTL2_[A-Z_]+(?==|`)", page.read_text()))
    variables = {f"FTL2_ENTERPRISE_{key.replace('.', '_').upper()}" for key in keys}
    parts = {name for fact in FACTS for name in fact.log_names.values()}
    of_lines = {f"FTL2_{name.upper()}" for name in (*FIELDS, *parts, *about(str(Subject(LOOP, 1)), "web"))}
    assert fields <= {*of_lines, "FTL2_PROCESS", *variables}


def test_the_examples_that_pages_copy_exist() -> None:
    copied = set(re.findall(r"/examples/([a-z-]+\.conf)", "".join(page.read_text() for page in PAGES)))
    assert copied == {path.name for path in Path("systemd/examples").iterdir()}
