"""A prompt of a loop as a question to the user at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftl2_enterprise.core.problem import Code, Problem
from ftl2_enterprise.ctl.prompter import TerminalQuestion
from ftl2_enterprise.protocol.loops.answers import resolve
from ftl2_enterprise.protocol.loops.nouns import PromptState
from ftl2_enterprise.protocol.loops.verbs import ShowPrompt
from ftl2_enterprise.render.loops.prompt_endings import settled_notice
from ftl2_enterprise.render.loops.prompts import choices
from ftl2_enterprise.render.text import Line, one_line

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Prompt
    from ftl2_enterprise.render.view import ViewReader


def prompt_subject(prompt_id: int) -> str:
    """The prompt as a subject, for `Asker.has_shown`."""
    return f"prompt:{prompt_id}"


def question_of(prompt: Prompt, loop: str) -> TerminalQuestion:
    """The question; `loop` is the name of the loop that asks it."""

    def settled(reader: ViewReader) -> Line | None:
        try:
            now = reader.call(ShowPrompt(prompt=prompt.id)).prompt
        except Problem as problem:
            if problem.code is not Code.NOT_FOUND:
                raise
            # It was deleted with its loop.
            now = None
        return None if now is not None and now.state is PromptState.OPEN else settled_notice(prompt.id, now)

    return TerminalQuestion(
        subject=prompt_subject(prompt.id),
        invitation=invitation(prompt, loop),
        options=tuple(prompt.options),
        default=prompt.default,
        is_secret=prompt.secret,
        check=lambda text: resolve(prompt, text),
        settled=settled,
    )


def reason_of(question: TerminalQuestion) -> TerminalQuestion:
    """The question why the user rejects the actions that `question` is about; an empty line is no reason."""
    return msgspec.structs.replace(
        question, invitation="reason (Enter for none, Ctrl-C for later)", options=(), default="", check=str.strip
    )


def invitation(prompt: Prompt, loop: str) -> str:
    """The invitation, with what can be typed. It names the prompt, because others may be announced above it."""
    empty = "Enter for later"
    if prompt.default is not None:
        empty = f"Enter for {one_line(prompt.default, 60)}, Ctrl-C for later"
    return f"answer {prompt.id} of {one_line(loop, 40)} ({choices(prompt)}, {empty})"
