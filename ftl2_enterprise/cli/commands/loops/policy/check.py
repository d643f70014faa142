"""`policy check`: whether a call would be allowed, and by which rule, without a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.cli.loops.arguments import POLICY
from ftl2_enterprise.cli.program import JSON
from ftl2_enterprise.commandline.declaration import TEXT, Command, Example, Option
from ftl2_enterprise.commandline.loops import options, policy_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues
    from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyQuestion
    from ftl2_enterprise.store.tx import Tx

LOOP_OPTION = Option("loop", "As a call of this loop, with its policy and hosts.", TEXT, value="LOOP")
RESOLVE = Option("resolve", "Connect to the hosts and resolve paths there, as a run does before a call.")
WHERE = (LOOP_OPTION, options.POLICY, options.inventory("that of the loop"), RESOLVE)


def run(session: CliSession, given: GivenValues) -> int:
    """Judge the call; the exit status is the ruling."""
    from ftl2_enterprise.render.loops.policy import answer_lines  # noqa: PLC0415 - not needed for help

    (answers,) = ask(session, given, [policy_question.question(given)])
    if given.has("json"):
        session.document(answers)
    else:
        session.out.print(answer_lines(answers))
    show_warnings(session, given)
    return policy_question.exit_status(answers)


def ask(session: CliSession, given: GivenValues, questions: Sequence[PolicyQuestion]) -> list[list[PolicyAnswer]]:
    """The answers to each question. Raises Problem."""
    import asyncio  # noqa: PLC0415 - not needed for help

    from ftl2_enterprise.protocol.loops.verbs import CheckPolicy  # noqa: PLC0415
    from ftl2_enterprise.wiring.loops import policy_check  # noqa: PLC0415

    request = CheckPolicy(
        questions=list(questions),
        loop=given.maybe("loop"),
        policy=options.absolute(given, "policy"),
        inventory=options.absolute(given, "inventory"),
    )

    def answers(tx: Tx | None) -> list[list[PolicyAnswer]]:
        if given.has("resolve"):
            return asyncio.run(policy_check.resolved_answers(request, session.settings, tx))
        return policy_check.answers(request, session.settings, tx, in_service=False)

    if request.loop is None:
        return answers(None)
    with session.open_store().read() as tx:
        return answers(tx)


def show_warnings(session: CliSession, given: GivenValues) -> None:
    """Show on standard error what `policy show` warns of."""
    import sys  # noqa: PLC0415 - as the others

    from ftl2_enterprise.protocol.loops.verbs import ShowPolicy  # noqa: PLC0415 - not needed for help
    from ftl2_enterprise.render.colour import painter  # noqa: PLC0415 - not needed for help
    from ftl2_enterprise.render.loops.policy import warning_lines  # noqa: PLC0415 - not needed for help
    from ftl2_enterprise.wiring.loops import policy_check  # noqa: PLC0415 - not needed for help

    request = ShowPolicy(
        loop=given.maybe("loop"),
        policy=options.absolute(given, "policy"),
        inventory=options.absolute(given, "inventory"),
    )
    if request.loop is None:
        found = policy_check.in_force(request, session.settings, None)
    else:
        with session.open_store().read() as tx:
            found = policy_check.in_force(request, session.settings, tx)
    if found.warnings:
        painter(sys.stderr).print(warning_lines(found.warnings))


COMMAND = Command(
    summary="Show whether a call, or a request to a model, would be allowed, and by which rule.",
    group=POLICY,
    run=run,
    arguments=(policy_question.MODULE,),
    options=(
        *policy_question.ABOUT_CALLS,
        *policy_question.ABOUT_MODELS,
        *WHERE,
        options.ENVIRONMENT,
        JSON,
    ),
    details=(
        "The call is not made. If a rule about paths could apply, the answer names the paths that the host resolves "
        "before the call, such as symbolic links; with --resolve it does that now, and the answer is the last one. "
        "The answer is that for a run in the foreground; ftl2ctl answers for the service."
    ),
    examples=(
        Example("policy check shell --host web01 -i hosts.yaml --policy policy.yaml -p cmd=reboot"),
        Example("policy check copy --loop web -p dest=/etc/ssh/sshd_config --origin manifest --resolve"),
        Example("policy check user -p name=bob -p uid:=0", "with a parameter that is a number"),
        Example("policy check --model opus-preview --policy policy.yaml", "about a request to a model"),
    ),
    statuses=(
        "2: the site policy cannot be used, so that a run would not begin",
        "4: a call would be denied",
        "8: a call would need an approval",
        "9: a call would be refused, whatever the policy is",
    ),
)
