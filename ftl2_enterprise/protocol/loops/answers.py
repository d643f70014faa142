"""Validation of answers to prompts, which the service and both programs share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.core.shorten import shorten_line
from ftl2_enterprise.protocol.loops.approvals import APPROVE, REJECT
from ftl2_enterprise.protocol.loops.nouns import PromptKind

if TYPE_CHECKING:
    from ftl2_enterprise.protocol.loops.nouns import Prompt

_YES_OR_NO = {"yes": APPROVE, "y": APPROVE, "no": REJECT, "n": REJECT}
"""Other answers to a prompt that asks for an approval."""
BY_DEFAULT = "default"
"""`answered_by` of a question that was closed with its default, alone or followed by a comma and the reason."""
LONGEST = 10_000
"""Maximum length of an answer, in characters."""


def resolve(prompt: Prompt, text: str) -> str:
    """The answer for a text: an option, the option of a number, or, if the prompt has no options, the text itself.

    A number is no answer to an approval: next to a numbered list of actions, it would approve all of them.
    Raises Problem(invalid) for any other text.
    """
    # A secret may begin or end with blanks.
    answer = text.removesuffix("\n").removesuffix("\r") if prompt.secret else text.strip()
    if not answer:
        raise invalid(f"cannot accept an empty answer to prompt {prompt.id}", _choices(prompt))
    if len(answer) > LONGEST:
        raise invalid(f"cannot accept an answer of {len(answer)} characters", f"the limit is {LONGEST}")
    if not prompt.options:
        return answer
    if prompt.kind is PromptKind.APPROVAL and (known := _YES_OR_NO.get(answer.casefold())) is not None:
        return known
    # An option has precedence over the number of an option, because options may be numbers.
    if answer in prompt.options:
        return answer
    is_number = answer.isascii() and answer.isdigit()
    if is_number and prompt.kind is not PromptKind.APPROVAL and 1 <= int(answer[:9]) <= len(prompt.options):
        return prompt.options[int(answer[:9]) - 1]
    alike = [option for option in prompt.options if option.casefold() == answer.casefold()]
    if len(alike) == 1:
        return alike[0]
    raise invalid(f"cannot accept {shorten_line(answer, 80)!r} as an answer to prompt {prompt.id}", _choices(prompt))


def require_private(prompt: Prompt, *, is_private: bool) -> None:
    """Raises Problem(invalid) for a secret that was given where others could see it."""
    if prompt.secret and not is_private:
        raise invalid(
            f"cannot take the answer to prompt {prompt.id} from the command line: it is a secret",
            "write - in its place, and type or pipe it; others may have seen the one that you gave",
        )


def _choices(prompt: Prompt) -> str:
    if prompt.secret:
        return "type or pipe the secret"
    if not prompt.options:
        return "write the answer as text"
    if prompt.kind is PromptKind.APPROVAL:
        return f"write {APPROVE} or {REJECT}; it is for all listed actions"
    listed = ", ".join(f"{n} for {shorten_line(option, 60)!r}" for n, option in enumerate(prompt.options, start=1))
    return f"choose one of: {listed}"
