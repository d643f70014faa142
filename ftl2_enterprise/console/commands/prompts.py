"""`prompts`: what loops ask people."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from ftl2_enterprise.terminal import documents
from ftl2_enterprise.terminal.phrases import question
from ftl2_enterprise.terminal.text import Role, ago, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.console.session import Session


@click.command("prompts")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(session: Session, *, as_json: bool) -> int:
    """List the prompts that wait for an answer."""
    session.wants_json = as_json
    from ftl2_enterprise.loops import store, store_prompts  # noqa: PLC0415
    from ftl2_enterprise.protocol.loops import PromptState  # noqa: PLC0415

    with session.open_store().read() as tx:
        prompts = store_prompts.get_prompts(tx, None, state=PromptState.OPEN)
        names = {loop_id: store.get_loop(tx, loop_id).name for loop_id in {prompt.loop_id for prompt in prompts}}
        now = tx.now
    if as_json:
        result = [{**documents.document(prompt), "loop": names[prompt.loop_id]} for prompt in prompts]
        session.out.stream.write(documents.text(result) + "\n")
        return 0
    if not prompts:
        session.out.print(line("no open prompts"))
    for prompt in prompts:
        asked = f"loop {one_line(names[prompt.loop_id])}, asked {ago(prompt.asked_at, now)}"
        answer = shlex.join([*session.program, "respond", str(prompt.id)])
        session.out.print(
            [
                line((asked, Role.FAINT)),
                *question(prompt.id, prompt.question, prompt.options, prompt.default),
                line((f"{answer} ANSWER", Role.COMMAND), indent=4),
            ]
        )
    return 0
