"""The settings file and the manual pages that are packaged: complete, and as the program is."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import msgspec
import pytest

from ftl2_enterprise.cli import main as cli
from ftl2_enterprise.core import settings
from ftl2_enterprise.ctl.registry import every_command
from ftl2_packaging import config_file, manpages, options, places, troff

BUILD = places.Build(output=Path("none"), cache=Path("none"), version="1.2.3", release="1", epoch=1_700_000_000)
PAGES = ["ftl2ctl.1", "ftl2-enterprise.8", "ftl2-enterprise.toml.5"]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: text.replace("\\-", "-") for name, text in manpages.documents(BUILD).items()}


def test_the_settings_file_has_every_setting_and_sets_none() -> None:
    text = config_file.document()
    sections = tomllib.loads(text)
    assert set(sections) == set(settings.SECTIONS)
    assert not any(sections.values())
    shown = tomllib.loads(re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE))
    keys = {f"{section}.{name}" for section, values in shown.items() for name in values}
    assert keys == set(settings.load(environ={"HOME": "/home/x"}, etc=Path("/nowhere")).origins)


def test_the_settings_file_shows_the_defaults(tmp_path: Path) -> None:
    """Without the marks of comments it is read, and changes nothing but where the service's own places are."""
    shown = tmp_path / "shown.toml"
    shown.write_text(re.sub(r"^#(\w+ = )", r"\1", config_file.document(), flags=re.MULTILINE))
    loaded = settings.load(config=shown, environ={"HOME": "/home/x"}).settings
    told = msgspec.to_builtins(loaded)
    for section, values in msgspec.to_builtins(settings.Settings()).items():
        for name, default in values.items():
            key = f"{section}.{name}"
            expected = options.OF_THE_SERVICE.get(key, options.EXAMPLES.get(key, default))
            assert told[section][name] == expected, key


def test_every_setting_says_what_it_takes_and_what_it_means() -> None:
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


def test_the_page_of_ftl2ctl_has_every_command_and_option(pages: dict[str, str]) -> None:
    page = pages["ftl2ctl.1"]
    for command in every_command():
        assert f"\\fB{command.usage}\\fR" in page
        for flag in command.flags:
            assert f"\\fB{flag.shown}\\fR" in page, f"{command.name} {flag.option}"


def test_the_page_of_ftl2_enterprise_has_every_command_and_option(pages: dict[str, str]) -> None:
    page = pages["ftl2-enterprise.8"]
    context = click.Context(cli.group)
    for name in cli.group.list_commands(context):
        command = cli.group.get_command(context, name)
        assert command is not None
        if command.hidden or isinstance(command, click.Group):
            continue
        assert f"\\fB{name}" in page
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert all(option in page for option in parameter.opts), f"{name} {parameter.opts}"


@pytest.mark.parametrize("name", PAGES)
def test_no_line_of_a_page_is_a_macro_by_accident(name: str) -> None:
    page = manpages.documents(BUILD)[name]
    macros = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert macros <= {".TH", ".nh", ".ad", ".SH", ".SS", ".PP", ".TP", ".IP", ".RS", ".RE", ".EX", ".EE"}


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_say(name: str, tmp_path: Path) -> None:
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
