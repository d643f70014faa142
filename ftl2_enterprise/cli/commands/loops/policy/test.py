"""`policy test`: the tests that a site has written for its policy, without a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.cli.commands.loops.policy.check import WHERE, ask, show_warnings
from ftl2_enterprise.cli.loops.arguments import POLICY
from ftl2_enterprise.cli.program import JSON
from ftl2_enterprise.commandline.declaration import PATH, Argument, Command, Example
from ftl2_enterprise.commandline.loops import policy_question

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """Compare the verdict of each test with what it expects; 1 if any differs."""
    from ftl2_enterprise.render.loops.policy import result_lines  # noqa: PLC0415 - not needed for help

    path = Path(given.text("file"))
    tests = policy_question.cases(policy_question.read(path), str(path))
    answers = policy_question.answers_to(tests, lambda questions: ask(session, given, questions), str(path))
    results = policy_question.results(tests, answers)
    if given.has("json"):
        session.document(policy_question.document(results))
    else:
        session.out.print(result_lines(results))
    show_warnings(session, given)
    return policy_question.failed(results)


COMMAND = Command(
    summary="Compare the policy with the tests that a site has written for it.",
    group=POLICY,
    run=run,
    arguments=(Argument("file", PATH, "YAML file with tests."),),
    options=(*WHERE, JSON),
    examples=(Example("policy test --policy policy.yaml policy-tests.yaml"),),
    statuses=("1: a verdict differs from what a test expects",),
)
