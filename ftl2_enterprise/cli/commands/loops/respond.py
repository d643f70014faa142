"""`respond`: answer a prompt, through the service if it has the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl2_enterprise.cli.loops.arguments import LOOPS
from ftl2_enterprise.cli.loops.prompter import user_name
from ftl2_enterprise.commandline.declaration import POSITIVE, TEXT, Argument, Command, Example
from ftl2_enterprise.commandline.hidden_input import STANDARD_INPUT, read_hidden
from ftl2_enterprise.protocol.loops.answers import LONGEST, require_private, resolve
from ftl2_enterprise.render.text import Role, line, one_line, quoted, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import CliSession
    from ftl2_enterprise.commandline.values import GivenValues


def run(session: CliSession, given: GivenValues) -> int:
    """Submit the answer."""
    from ftl2_enterprise.cli import service  # noqa: PLC0415 - not needed for help

    prompt_id, answer = given.number("prompt-id", 0), given.text("answer")
    is_private = answer == STANDARD_INPUT
    if is_private:
        answer = read_hidden("answer", longest=LONGEST)
    path = Path(session.settings.store.path)
    # The service is the only writer of its database. A user without a database means the system's service.
    if service.holder(session.settings) is not None or (
        session.db is None and not path.exists() and service.is_running(session)
    ):
        return _ask_service(session, prompt_id, answer, is_private=is_private)
    return _write(session, prompt_id, answer, is_private=is_private)


def _ask_service(session: CliSession, prompt_id: int, answer: str, *, is_private: bool) -> int:
    from ftl2_enterprise.cli import service  # noqa: PLC0415
    from ftl2_enterprise.protocol.loops.verbs import AnswerPrompt, ShowLoop  # noqa: PLC0415

    with service.reach(session) as (connection, _):
        prompt = connection.call(AnswerPrompt(prompt=prompt_id, answer=answer, is_private=is_private))
        loop = connection.call(ShowLoop(loop=str(prompt.loop_id))).loop
    _confirm(session, prompt_id, loop.name, prompt.answer or "")
    return 0


def _write(session: CliSession, prompt_id: int, answer: str, *, is_private: bool) -> int:
    from ftl2_enterprise.core import lease  # noqa: PLC0415
    from ftl2_enterprise.core.problem import conflict  # noqa: PLC0415
    from ftl2_enterprise.core.redact import Redactor  # noqa: PLC0415
    from ftl2_enterprise.loops.rows import loops as loop_rows, prompts as prompt_rows  # noqa: PLC0415
    from ftl2_enterprise.loops.units import approvals as approval_units, prompts as prompt_units  # noqa: PLC0415
    from ftl2_enterprise.protocol.loops.approvals import APPROVE  # noqa: PLC0415
    from ftl2_enterprise.protocol.loops.nouns import PromptKind, PromptState  # noqa: PLC0415
    from ftl2_enterprise.wiring.loops import build  # noqa: PLC0415

    database = session.open_store()
    with database.write() as tx:
        prompt = prompt_rows.get_prompt(tx, prompt_id)
        if prompt.state is not PromptState.OPEN:
            by = (
                f" by {one_line(prompt.answered_by)}: {one_line(prompt.answer or '', 80)!r}"
                if prompt.answered_by
                else ""
            )
            raise conflict(f"cannot answer prompt {prompt_id}: it is {prompt.state}{by}")
        require_private(prompt, is_private=is_private)
        chosen = resolve(prompt, answer)
        if not prompt.secret:
            chosen = Redactor().text(chosen)
        if prompt.kind is PromptKind.APPROVAL:
            approval_units.decide(tx, prompt_id, build.this_person(), approved=chosen == APPROVE)
        else:
            prompt = prompt_units.answer(tx, prompt, chosen, user_name())
            chosen = prompt.answer or ""
        loop = loop_rows.get_loop(tx, prompt.loop_id)
    _confirm(session, prompt_id, loop.name, chosen)
    if loop.managed:
        session.out.print(line(("the loop continues when its service is started", Role.FAINT), indent=2))
    elif loop.owner is None or not lease.is_alive(loop.owner):
        resume = f"{session.command()} run --resume {quoted(loop.name)}"
        session.out.print(line(("resume: ", Role.FAINT), (resume, Role.COMMAND), indent=2))
    return 0


def _confirm(session: CliSession, prompt_id: int, loop: str, answer: str) -> None:
    session.out.print(
        line(
            symbol("✔", Role.GOOD),
            f"prompt {prompt_id} of loop {one_line(loop)} answered: ",
            (one_line(answer), Role.STRONG),
        )
    )


COMMAND = Command(
    summary="Answer a prompt with an option, its number, or text if it has no options.",
    group=LOOPS,
    run=run,
    arguments=(
        Argument("prompt-id", POSITIVE, "Number of the prompt."),
        Argument(
            "answer", TEXT, "An option, its number, or text; - reads it from standard input, as a secret has to be."
        ),
    ),
    details="Answering a settled prompt again is a conflict.",
    examples=(
        Example("respond 3 yes"),
        Example("respond 3 1", "with the number of an option"),
        Example("respond 3 -", "with a secret that you type or pipe"),
    ),
)
