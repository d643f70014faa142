"""What counts as an answer to a prompt; the service and both programs apply the same rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.shorten import shorten_line

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Prompt

LONGEST = 10_000
"""Characters of an answer."""


def resolve(prompt: Prompt, text: str) -> str:
    """The answer that the text stands for: an option, the number of an option, or any text where there are none.

    Raises Problem(invalid) for everything else.
    """
    answer = text.strip()
    if not answer:
        raise invalid(f"cannot take an empty answer to prompt {prompt.id}", _choices(prompt))
    if len(answer) > LONGEST:
        raise invalid(f"cannot take an answer of {len(answer)} characters", f"at most {LONGEST} are allowed")
    if not prompt.options:
        return answer
    # An option wins over the number of an option: options may be numbers.
    if answer in prompt.options:
        return answer
    if answer.isascii() and answer.isdigit() and 1 <= int(answer[:9]) <= len(prompt.options):
        return prompt.options[int(answer[:9]) - 1]
    alike = [option for option in prompt.options if option.casefold() == answer.casefold()]
    if len(alike) == 1:
        return alike[0]
    raise invalid(f"cannot take {shorten_line(answer, 80)!r} for an answer to prompt {prompt.id}", _choices(prompt))


def _choices(prompt: Prompt) -> str:
    if not prompt.options:
        return "write the answer as text"
    listed = ", ".join(f"{n} for {shorten_line(option, 60)!r}" for n, option in enumerate(prompt.options, start=1))
    return f"give one of: {listed}"
