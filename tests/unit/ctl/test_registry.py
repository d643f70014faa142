"""The registry of ftl2ctl agrees with itself, with the protocol, and with what is written about it."""

from __future__ import annotations

import pytest

from ftl2_enterprise.core.problem import EXIT_STATUS, Problem
from ftl2_enterprise.ctl import fast_path, help_text, parsing, reference, registry, tokenizer
from ftl2_enterprise.ctl.registry import MODULES, Kind, commands_of, every_command
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.service.verbs import Render
from ftl2_enterprise.protocol.verb import name_of
from tests.support.places import REPOSITORY

COMMANDS = every_command()
REFERENCE = REPOSITORY / "docs" / "reference" / "ftl2ctl.md"


def test_the_index_names_the_module_of_each_command_and_nothing_else():
    declared = {
        (name.split()[0], module)
        for module in set(MODULES.values())
        for command in commands_of(module)
        for name in (command.name, *command.aliases)
    }
    assert declared == set(MODULES.items())


def test_no_two_commands_share_a_name():
    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert len(names) == len(set(names))


def test_every_verb_of_the_service_has_a_command():
    asked = {name_of(verb) for command in COMMANDS for verb in command.verbs}
    assert asked | {name_of(Render)} == set(CATALOGUE)


def test_what_is_left_to_the_service_to_render_is_what_is_declared_as_a_view():
    declared = {name for command in COMMANDS if command.is_view for name in (command.name, *command.aliases)}
    assert set(fast_path.VIEWS) == declared


def test_options_that_are_left_to_the_service_are_those_of_views():
    views = [command for command in COMMANDS if command.is_view]
    flags = [flag for command in views for flag in command.flags if not flag.stays]
    known = {
        name for flag in (registry.JSON, *flags) for name in (flag.option, flag.short and f"-{flag.short}") if name
    }
    assert set(fast_path.OPTIONS) == known


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_is_declared_whole(command):
    assert command.summary.endswith(".")
    assert command.examples, "an example says more than a usage line"
    assert all(flag.help for flag in command.flags)
    names = [flag.option for flag in (*command.flags, *registry.GLOBAL_FLAGS)]
    shorts = [flag.short for flag in (*command.flags, *registry.GLOBAL_FLAGS) if flag.short]
    assert len(names) == len(set(names))
    assert len(shorts) == len(set(shorts))
    assert all(flag.choices for flag in command.flags if flag.kind is Kind.CHOICE)
    rest = [argument.rest for argument in command.arguments]
    assert not any(rest[:-1]), "what stands behind the rest can never be given"


@pytest.mark.parametrize(
    ("command", "example"),
    [(command, example) for command in COMMANDS for example in command.examples],
    ids=lambda one: one.words if isinstance(one, registry.Example) else one.name,
)
def test_each_example_is_understood(command, example):
    words = tokenizer.split(example.words.partition(" > ")[0])
    found, rest = registry.find(words)
    assert found.name == command.name
    parsing.parse(found, rest)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_is_explained(command):
    text = "\n".join(one.plain for one in help_text.command_lines(command, is_shell=False))
    assert command.summary in text
    assert all(flag.option in text for flag in command.flags)
    assert all(example.words in text for example in command.examples)


def test_the_overview_lists_every_command():
    told = [one.plain for one in help_text.overview(is_shell=True)]
    for command in COMMANDS:
        assert any(text.strip().startswith(command.name) for text in told), command.name


def test_commands_of_the_shell_are_unknown_outside_of_it():
    assert registry.find(["exit"], in_shell=True)[0].name == "exit"
    with pytest.raises(Problem, match="cannot run 'exit' here: it is for the shell only"):
        registry.find(["exit"], in_shell=False)
    assert "exit" not in "\n".join(one.plain for one in help_text.overview(is_shell=False))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("pauze", "pause"), ("statsu", "status"), ("answr", "answer"), ("PAUSE", "pause"), ("promts", "prompts")],
)
def test_an_unknown_command_suggests_the_nearest(typed, meant):
    with pytest.raises(Problem) as caught:
        registry.find([typed])
    assert caught.value.hint == f"did you mean `ftl2ctl {meant}`?"
    assert caught.value.exit_status == 2


def test_a_command_like_no_other_points_to_the_help():
    with pytest.raises(Problem) as caught:
        registry.find(["xyzzy"])
    assert caught.value.hint == "`ftl2ctl help` lists the commands"


def test_every_exit_status_of_a_problem_is_explained():
    told = {int(text.partition(":")[0]) for text in help_text.common_statuses()}
    assert set(EXIT_STATUS.values()) <= told


def test_the_reference_page_is_fresh():
    assert REFERENCE.read_text() == reference.document(), "run `make reference`"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("stat", "did you mean `ftl2ctl status`?"),
        ("STAT", "did you mean `ftl2ctl status`?"),
        ("sta", "did you mean `ftl2ctl status` or `ftl2ctl start`?"),
        ("st", "did you mean `ftl2ctl status`, `ftl2ctl start` or `ftl2ctl stop`?"),
        ("s", "`ftl2ctl help` lists the commands"),
        ("bogus", "`ftl2ctl help` lists the commands"),
        ("", "`ftl2ctl help` lists the commands"),
        ("lsit", "did you mean `ftl2ctl list`?"),
        ("shwo", "did you mean `ftl2ctl show`?"),
    ],
)
def test_what_begins_so_is_meant_rather_than_what_is_alike(typed, hint):
    with pytest.raises(Problem) as caught:
        registry.find([typed])
    assert caught.value.hint == hint
