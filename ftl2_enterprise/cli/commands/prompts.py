"""`prompts`: what loops ask people."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from ftl2_enterprise.render import json_output
from ftl2_enterprise.render.loops.prompt_text import question
from ftl2_enterprise.render.text import Role, ago, line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.cli.session import Session


@click.command("prompts")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(session: Session, *, as_json: bool) -> int:
    """List the prompts that wait for an answer."""
    session.wants_json = as_json
    from ftl2_enterprise.loops.rows import loops as loop_rows, prompts as prompt_rows  # noqa: PLC0415
    from ftl2_enterprise.protocol.loops.nouns import PromptState  # noqa: PLC0415

    with session.open_store().read() as tx:
        prompts = prompt_rows.get_prompts(tx, None, state=PromptState.OPEN)
        names = {loop_id: loop_rows.get_loop(tx, loop_id).name for loop_id in {prompt.loop_id for prompt in prompts}}
        now = tx.now
    if as_json:
        result = [{**json_output.document(prompt), "loop": names[prompt.loop_id]} for prompt in prompts]
        session.out.stream.write(json_output.text(result) + "\n")
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
