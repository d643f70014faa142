"""`policy check`: whether a call would be allowed, and by which rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import Command, Example, Option
from ftl2_enterprise.commandline.loops import options, policy_question, sent_files
from ftl2_enterprise.ctl.loops.arguments import LOOP_REF, POLICY
from ftl2_enterprise.ctl.loops.policy_warnings import show_warnings
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy, ShowPolicy
from ftl2_enterprise.render.loops.policy import answer_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.ctl.session import CtlSession
    from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyQuestion

LOOP_OPTION = Option("loop", "As a call of this loop, with its policy and hosts.", LOOP_REF, value="LOOP")
POLICY_OPTION = Option("policy", "Policy file to use as that of a loop.", options.POLICY.kind, value="FILE")
WHERE = (LOOP_OPTION, POLICY_OPTION, options.inventory("that of the loop"))


def run(session: CtlSession, given: GivenValues) -> int:
    """Ask the service; the exit status is the ruling."""
    (answers,) = ask(session, given, [policy_question.question(given)])
    session.reply(answers, lambda: answer_lines(answers))
    show_warnings(session, loop=given.maybe("loop"), policy=options.absolute(given, "policy"),
                  inventory=options.absolute(given, "inventory"))  # fmt: skip
    return policy_question.exit_status(answers)


def ask(session: CtlSession, given: GivenValues, questions: Sequence[PolicyQuestion]) -> list[list[PolicyAnswer]]:
    """The answers to each question. Raises Problem."""
    policy, inventory = options.absolute(given, "policy"), options.absolute(given, "inventory")
    return session.call(
        CheckPolicy(
            questions=list(questions),
            loop=given.maybe("loop"),
            policy=policy,
            inventory=inventory,
            files=sent_files.files(inventory, policy),
        )
    )


COMMAND = Command(
    summary="Show whether a call, or a request to a model, would be allowed, and by which rule.",
    group=POLICY,
    run=run,
    verbs=(CheckPolicy, ShowPolicy),
    arguments=(policy_question.MODULE,),
    options=(
        *policy_question.ABOUT_CALLS,
        *policy_question.ABOUT_MODELS,
        *WHERE,
        options.ENVIRONMENT,
    ),
    details=(
        "No host is called. If a rule about paths could apply, the answer names the paths that the host resolves "
        "before the call, such as symbolic links, after which it is judged again."
    ),
    examples=(
        Example("policy check shell --host web01 -p cmd='rm -r /srv'"),
        Example("policy check copy --loop web -p dest=/etc/ssh/sshd_config --origin manifest"),
        Example("policy check user -p name=bob -p uid:=0", "with a parameter that is a number"),
        Example("policy check --model opus-preview --environment prod", "about a request to a model"),
    ),
    statuses=(
        "4: a call would be denied",
        "8: a call would need an approval, or the site policy cannot be used, so that nothing has an effect",
        "9: a call would be refused, whatever the policy is",
    ),
)
