"""`respond`: answer a prompt of a loop."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from ftl2_enterprise.console.people import user_name
from ftl2_enterprise.terminal.answers import resolve
from ftl2_enterprise.terminal.text import Role, line, one_line, symbol

if TYPE_CHECKING:
    from ftl2_enterprise.console.session import Session


@click.command("respond")
@click.argument("prompt_id", type=click.IntRange(min=1))
@click.argument("answer")
@click.pass_obj
def command(session: Session, prompt_id: int, answer: str) -> int:
    """Answer a prompt: with an option, its number, or a text where there are no options.

    A prompt that is settled already is not answered again: that is a conflict.
    """
    from ftl2_enterprise.core import owner  # noqa: PLC0415
    from ftl2_enterprise.core.problem import conflict  # noqa: PLC0415
    from ftl2_enterprise.core.redact import Redactor  # noqa: PLC0415
    from ftl2_enterprise.loops import store, store_prompts  # noqa: PLC0415
    from ftl2_enterprise.protocol.loops import PromptState  # noqa: PLC0415

    database = session.open_store()
    with database.write() as tx:
        prompt = store_prompts.get_prompt(tx, prompt_id)
        if prompt.state is not PromptState.OPEN:
            by = (
                f" by {one_line(prompt.answered_by)}: {one_line(prompt.answer or '', 80)!r}"
                if prompt.answered_by
                else ""
            )
            raise conflict(f"cannot answer prompt {prompt_id}: it is {prompt.state}{by}")
        chosen = Redactor().text(resolve(prompt, answer))
        store_prompts.answer_prompt(tx, prompt_id, chosen, user_name())
        loop = store.get_loop(tx, prompt.loop_id)
    session.out.print(
        line(
            symbol("✔", Role.GOOD),
            f"prompt {prompt_id} of loop {one_line(loop.name)} answered: ",
            (one_line(chosen), Role.STRONG),
        )
    )
    if loop.owner is None or not owner.is_alive(loop.owner):
        again = shlex.join([*session.program, "run", "--resume", loop.name])
        session.out.print(line(("go on:   ", Role.FAINT), (again, Role.COMMAND), indent=2))
    return 0
