"""The settings file and the manual pages that are packaged: complete, and as the program is."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftl2_enterprise.cli.program import FTL2_ENTERPRISE
from ftl2_enterprise.commandline.finder import every_command
from ftl2_enterprise.ctl.program import FTL2CTL
from ftl2_enterprise.gate.policy.settings import PolicySettings
from ftl2_enterprise.wiring.settings import MODEL
from ftl2_packaging import config_file, manpages, options, places, troff

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.declaration import Program

BUILD = places.Build(output=Path("none"), cache=Path("none"), version="1.2.3", release="1", epoch=1_700_000_000)
PAGES = ["ftl2ctl.1", "ftl2-enterprise.8", "ftl2-enterprise.toml.5"]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: text.replace("\\-", "-") for name, text in manpages.documents(BUILD).items()}


def test_the_settings_file_has_every_setting_and_sets_none() -> None:
    text = config_file.document()
    sections = tomllib.loads(text)
    assert set(sections) == set(MODEL.sections)
    assert not any(sections.values())
    shown = tomllib.loads(re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE))
    keys = {f"{section}.{name}" for section, values in shown.items() for name in values}
    assert keys == set(MODEL.load(environ={"HOME": "/home/x"}, etc=Path("/nowhere")).origins)


def test_the_settings_file_shows_the_defaults(tmp_path: Path) -> None:
    """Without the marks of comments it is read, and changes nothing but where the service's own places are."""
    shown = tmp_path / "shown.toml"
    shown.write_text(re.sub(r"^#(\w+ = )", r"\1", config_file.document(), flags=re.MULTILINE))
    loaded = MODEL.load(config=shown, environ={"HOME": "/home/x"}).settings
    shown_values = msgspec.to_builtins(loaded)
    for section, values in msgspec.to_builtins(MODEL.of()).items():
        for name, default in values.items():
            key = f"{section}.{name}"
            expected = options.OF_THE_SERVICE.get(key, options.EXAMPLES.get(key, default))
            assert shown_values[section][name] == expected, key


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (None, {"model": "ask"}),
        # A file that an administrator has changed stays as it is when the package is upgraded.
        ("[loops]\ninterval = 300\n", {"model": "ask"}),
        ('[policy]\ndirectory = "/srv/policy"\n', {"model": "ask"}),
        ('[policy]\ndefaults = {rule = "ask"}\n', {"rule": "ask"}),
        ("[policy]\ndefaults = {}\n", {}),
    ],
)
def test_the_packaged_service_asks_before_actions_of_a_model(
    installed: str | None, expected: dict[str, str], tmp_path: Path
) -> None:
    unit = (places.SOURCE / "systemd" / "ftl2-enterprise.service").read_text()
    found = re.findall(r"^ConfigurationDirectory=(.+)$", unit, flags=re.MULTILINE)
    assert len(found) == 1
    (tmp_path / "config.toml").write_text(config_file.document() if installed is None else installed)
    environ = {"HOME": "/var/lib/ftl2-enterprise", "CONFIGURATION_DIRECTORY": f"/etc/{found[0]}"}
    service = MODEL.load(environ=environ, etc=tmp_path).settings
    assert service.section(PolicySettings).defaults == expected


def test_every_setting_has_a_type_and_a_meaning() -> None:
    for option in options.every_option():
        assert option.kind, option.key
        assert len(option.meaning) > 8, option.key


def test_a_setting_without_a_meaning_fails_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "configuration.md"
    page.write_text(re.sub(r"\| `loops.jitter`.*\n", "", options.REFERENCE.read_text()))
    monkeypatch.setattr(options, "REFERENCE", page)
    with pytest.raises(places.CannotBuild, match=r"cannot describe the setting loops\.jitter"):
        options.every_option()


def test_the_page_on_settings_has_every_setting(pages: dict[str, str]) -> None:
    for option in options.every_option():
        assert f"\\fB{option.key}\\fR" in pages["ftl2-enterprise.toml.5"]


@pytest.mark.parametrize(("name", "program"), [("ftl2ctl.1", FTL2CTL), ("ftl2-enterprise.8", FTL2_ENTERPRISE)])
def test_the_page_of_a_program_has_every_command_and_option(
    pages: dict[str, str], name: str, program: Program
) -> None:
    for command in every_command(program):
        assert f"\\fB{command.usage}\\fR" in pages[name]
        for option in command.options:
            assert f"\\fB{option.shown}\\fR" in pages[name], f"{command.name} {option.long}"


@pytest.mark.parametrize("name", PAGES)
def test_no_line_of_a_page_is_a_macro_by_accident(name: str) -> None:
    page = manpages.documents(BUILD)[name]
    macros = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert macros <= {".TH", ".nh", ".ad", ".SH", ".SS", ".PP", ".TP", ".IP", ".RS", ".RE", ".EX", ".EE"}


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_reports_nothing(name: str, tmp_path: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    (tmp_path / name).write_text(manpages.documents(BUILD)[name])
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", tmp_path / name], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_texts_are_shown_as_they_are() -> None:
    page = troff.Page("x", 1, date="2026-01-01", version="1", manual="Manual")
    page.paragraph(".hidden -s `a\\b` it's")
    assert "\\&.hidden \\-s \\fBa\\eb\\fR it\\(aqs" in str(page)
