"""`policy test`: the tests that a site has written for its policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import PATH, Argument, Command, Example
from ftl2_enterprise.commandline.loops import options, policy_question
from ftl2_enterprise.ctl.commands.loops.policy.check import WHERE, ask
from ftl2_enterprise.ctl.loops.arguments import POLICY
from ftl2_enterprise.ctl.loops.policy_warnings import show_warnings
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy, ShowPolicy
from ftl2_enterprise.render.loops.policy import result_lines

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession


def run(session: CtlSession, given: GivenValues) -> int:
    """Compare the verdict of each test with what it expects; 1 if any differs."""
    path = Path(given.text("file"))
    tests = policy_question.cases(policy_question.read(path), str(path))
    answers = policy_question.answers_to(tests, lambda questions: ask(session, given, questions), str(path))
    results = policy_question.results(tests, answers)
    session.reply(policy_question.document(results), lambda: result_lines(results))
    show_warnings(session, loop=given.maybe("loop"), policy=options.absolute(given, "policy"),
                  inventory=options.absolute(given, "inventory"))  # fmt: skip
    return policy_question.failed(results)


COMMAND = Command(
    summary="Compare the policy with the tests that a site has written for it.",
    group=POLICY,
    run=run,
    verbs=(CheckPolicy, ShowPolicy),
    arguments=(Argument("file", PATH, "YAML file with tests."),),
    options=WHERE,
    examples=(Example("policy test /etc/ftl2-enterprise/policy-tests.yaml"),),
    statuses=("1: a verdict differs from what a test expects",),
)
