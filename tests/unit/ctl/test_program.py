"""The commands of `ftl2ctl` agree with the protocol, with the views of the service, and with the reference page."""

from __future__ import annotations

from ftl2_enterprise.commandline import finder
from ftl2_enterprise.core.problem import EXIT_STATUS
from ftl2_enterprise.ctl import exit_statuses, fast_path, reference_page
from ftl2_enterprise.ctl.program import FTL2CTL, JSON
from ftl2_enterprise.protocol.catalogue import CATALOGUE
from ftl2_enterprise.protocol.service.verbs import Render
from ftl2_enterprise.protocol.verb import name_of
from ftl2_enterprise.wiring import views
from tests.support.places import REPOSITORY

COMMANDS = finder.every_command(FTL2CTL)
VIEWS = [command for command in COMMANDS if command.is_view]
REFERENCE = REPOSITORY / "docs" / "reference" / "ftl2ctl.md"


def test_every_verb_of_the_service_has_a_command():
    requested = {name_of(verb) for command in COMMANDS for verb in command.verbs}
    assert requested | {name_of(Render)} == set(CATALOGUE)


def test_the_views_of_the_fast_path_are_those_of_the_commands_and_of_the_service():
    declared = {name: command.name for command in VIEWS for name in (command.name, *command.aliases)}
    assert declared == {**fast_path.views("OF_MANY"), **fast_path.views("OF_ONE")}
    assert set(views.VIEWS) == {command.name for command in VIEWS}


def test_the_options_of_the_fast_path_are_those_of_views():
    options = [option for command in VIEWS for option in command.options if not option.stays]
    known = {
        name for option in (JSON, *options) for name in (option.long, option.short and f"-{option.short}") if name
    }
    # With it, the exit status depends on the loops.
    assert set(fast_path.OPTIONS) == known - {"--check"}


def test_every_exit_status_of_a_problem_is_explained():
    assert {str(status) for status in EXIT_STATUS.values()} <= {status for status, _ in exit_statuses.common()}


def test_the_reference_page_is_fresh():
    assert REFERENCE.read_text() == reference_page.document(), "run `make reference`"
