"""Commands are found by the names of folders and files, and imported only when they are called."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftl2_enterprise.cli.program import FTL2_ENTERPRISE
from ftl2_enterprise.commandline import finder, help_text, parsing
from ftl2_enterprise.commandline.declaration import Example, Program
from ftl2_enterprise.core.problem import Problem
from ftl2_enterprise.ctl import tokenizer
from ftl2_enterprise.ctl.program import FTL2CTL
from tests.support.places import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = (FTL2CTL, FTL2_ENTERPRISE)
COMMANDS = [(program, command) for program in PROGRAMS for command in finder.every_command(program)]
IDS = [f"{program.name} {command.name}" for program, command in COMMANDS]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_command_is_the_file_of_its_name(program):
    known = finder.places(program)
    assert known
    for name, place in known.items():
        below = place.module.removeprefix(f"{place.package}.").replace(".", " ").replace("_", "-")
        assert below == name
        assert (REPOSITORY / f"{place.module.replace('.', '/')}.py").is_file()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_no_two_commands_share_a_name(program):
    packages = {place.package for place in finder.places(program).values()}
    files = [
        path
        for package in packages
        for path in (REPOSITORY / package.replace(".", "/")).rglob("*.py")
        if not path.name.startswith("_")
    ]
    known = finder.places(program)
    # A command of the same name in another capability would have replaced one of them.
    assert len(known) == len(files)
    assert not set(finder.aliases(program)) & set(known)
    assert set(finder.aliases(program).values()) <= set(known)


def test_finding_a_command_imports_no_other():
    code = (
        "import sys; from ftl2_enterprise.commandline import finder; from ftl2_enterprise.ctl.program import FTL2CTL;"
        "finder.find(FTL2CTL, ['pause', 'web']);"
        "print(*(name for name in sys.modules if name.startswith('ftl2_enterprise.ctl.commands.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ftl2_enterprise.ctl.commands.loops", "ftl2_enterprise.ctl.commands.loops.pause"]


def test_a_new_package_of_commands_is_found_without_any_other_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from ftl2_enterprise.ctl import commands

    package = tmp_path / "probes"
    (package / "probe").mkdir(parents=True)
    (package / "__init__.py").write_text('ALIASES = {"check": "probe run-now"}\n')
    (package / "probe" / "__init__.py").touch()
    (package / "probe" / "run_now.py").write_text(
        "from ftl2_enterprise.commandline.declaration import Command, HelpGroup\n"
        "COMMAND = Command(summary='Run a probe.', group=HelpGroup('Probes', 50), run=lambda session, given: 7)\n"
    )
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    command, rest = finder.find(FTL2CTL, ["probe", "run-now", "x"])
    assert (command.name, command.aliases, rest) == ("probe run-now", ("check",), ["x"])
    assert finder.find(FTL2CTL, ["check"])[0].name == "probe run-now"
    assert "Run a probe." in "\n".join(one.plain for one in help_text.overview(FTL2CTL, is_shell=False))
    for name in [name for name in sys.modules if name.startswith("ftl2_enterprise.ctl.commands.probes")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(("program", "command"), COMMANDS, ids=IDS)
def test_each_command_is_declared_completely(program, command):
    assert command.summary.endswith(".")
    assert command.summary[0].isupper()
    assert command.examples
    assert all(option.help.endswith(".") for option in command.options)
    names = [option.long for option in (*command.options, *program.options)]
    shorts = [option.short for option in (*command.options, *program.options) if option.short]
    assert len(names) == len(set(names))
    assert len(shorts) == len(set(shorts))
    takes_rest = [argument.rest or argument.many for argument in command.arguments]
    assert not any(takes_rest[:-1]), "an argument after the rest of the line can never be given"


@pytest.mark.parametrize(
    ("program", "command", "example"),
    [(program, command, example) for program, command in COMMANDS for example in command.examples],
    ids=lambda one: one.words if isinstance(one, Example) else one.name,
)
def test_each_example_can_be_parsed(program: Program, command, example):
    leading, words = parsing.leading_options(program, tokenizer.split(example.words.partition(" > ")[0]))
    found, rest = finder.find(program, words)
    assert found.name == command.name
    parsing.parse(program, found, rest)
    assert set(leading.values) <= {option.name for option in program.options}


@pytest.mark.parametrize(("program", "command"), COMMANDS, ids=IDS)
def test_each_command_has_help(program, command):
    text = "\n".join(one.plain for one in help_text.command_lines(program, command, is_shell=False))
    assert command.summary in text
    assert all(option.long in text for option in (*command.options, *program.options) if option.name != "json")
    assert all(example.words in text for example in command.examples)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_overview_lists_every_command(program):
    shown = [one.plain.strip() for one in help_text.overview(program, is_shell=True)]
    for command in finder.every_command(program):
        assert any(text.startswith(command.name) for text in shown), command.name


def test_commands_of_the_shell_are_unknown_outside_of_it():
    assert finder.find(FTL2CTL, ["exit"], in_shell=True)[0].name == "exit"
    with pytest.raises(Problem, match="cannot run 'exit' here: it works in the shell only"):
        finder.find(FTL2CTL, ["exit"], in_shell=False)
    assert "exit" not in "\n".join(one.plain for one in help_text.overview(FTL2CTL, is_shell=False))


def test_a_hidden_command_works_and_is_not_listed():
    assert finder.find(FTL2_ENTERPRISE, ["worker"])[0].name == "worker"
    assert "worker" not in "\n".join(one.plain for one in help_text.overview(FTL2_ENTERPRISE, is_shell=False))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("pauze", "pause"), ("statsu", "status"), ("answr", "answer"), ("PAUSE", "pause"), ("promts", "prompts")],
)
def test_an_unknown_command_suggests_the_nearest(typed, meant):
    with pytest.raises(Problem) as caught:
        finder.find(FTL2CTL, [typed])
    assert caught.value.hint == f"did you mean `ftl2ctl {meant}`?"
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_command_like_no_other_points_to_the_help(program):
    with pytest.raises(Problem) as caught:
        finder.find(program, ["xyzzy"])
    assert caught.value.hint == f"`{program.name} help` lists the commands"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("stat", "did you mean `ftl2ctl status`?"),
        ("STAT", "did you mean `ftl2ctl status`?"),
        ("sta", "did you mean `ftl2ctl start` or `ftl2ctl status`?"),
        ("st", "did you mean `ftl2ctl start`, `ftl2ctl status` or `ftl2ctl stop`?"),
        ("s", "`ftl2ctl help` lists the commands"),
        ("bogus", "`ftl2ctl help` lists the commands"),
        ("", "`ftl2ctl help` lists the commands"),
        ("../loops/pause", "`ftl2ctl help` lists the commands"),
        ("__init__", "`ftl2ctl help` lists the commands"),
        ("lsit", "did you mean `ftl2ctl list`?"),
        ("shwo", "did you mean `ftl2ctl show`?"),
    ],
)
def test_a_beginning_is_preferred_to_a_similar_name(typed, hint):
    with pytest.raises(Problem) as caught:
        finder.find(FTL2CTL, [typed])
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("program", "typed", "hint"),
    [
        (FTL2CTL, "policy chekc shell", "did you mean `ftl2ctl policy check`?"),
        (FTL2CTL, "rules lst", "did you mean `ftl2ctl rules list`?"),
        (FTL2_ENTERPRISE, "policy tset FILE", "did you mean `ftl2-enterprise policy test`?"),
        (FTL2_ENTERPRISE, "config shw", "did you mean `ftl2-enterprise config show`?"),
    ],
)
def test_a_mistyped_second_word_suggests_the_nearest(program: Program, typed: str, hint: str) -> None:
    with pytest.raises(Problem) as caught:
        finder.find(program, typed.split())
    first, second = typed.split()[:2]
    assert caught.value.message == f"cannot find a command '{first} {second}'"
    assert caught.value.hint == hint


def test_an_option_after_the_first_word_is_no_second_word() -> None:
    assert finder.find(FTL2CTL, ["policy", "--loop", "web"])[0].name == "policy show"
    assert finder.find(FTL2CTL, ["rules"])[0].name == "rules list"
