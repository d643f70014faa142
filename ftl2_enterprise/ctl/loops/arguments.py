"""Kinds of values and arguments that name loops, prompts, rules and texts; and the groups of their commands."""

from __future__ import annotations

from ftl2_enterprise.commandline.declaration import Argument, HelpGroup, ValueKind, not_empty
from ftl2_enterprise.core.problem import invalid

LOOPS = HelpGroup("Loops", 10)
PROMPTS = HelpGroup("Prompts", 20)
RULES = HelpGroup("Rules", 30)
POLICY = HelpGroup("Policy", 35)
HOSTS = HelpGroup("Hosts", 37)

_NAMES = "ftl2_enterprise.ctl.loops.names"


def _prompt_id(shown: str, word: str) -> int:
    try:
        # `#3` is accepted because it is often copied so.
        return int(word.removeprefix("#"))
    except ValueError:
        raise invalid(f"cannot take {word!r} for {shown}", "it must be a whole number") from None


LOOP_REF = ValueKind(name="loop", check=not_empty, names=f"{_NAMES}:loops")
PROMPT_ID = ValueKind(name="prompt", check=_prompt_id, names=f"{_NAMES}:prompts")
ANSWER = ValueKind(name="answer", names=f"{_NAMES}:answers", is_private=True)
RULE_NAME = ValueKind(name="rule", check=not_empty, names=f"{_NAMES}:rules")
DIGEST = ValueKind(name="digest", check=not_empty)

LOOP = Argument("loop", LOOP_REF, "Name, unambiguous prefix of a name, or id.")
SEVERAL_LOOPS = Argument(
    "loop", LOOP_REF, "Name, unambiguous prefix of a name, or id of each loop.", optional=True, many=True
)
WHOLE_LOOP = Argument("loop", LOOP_REF, "Full name or id, because this cannot be undone.")
ONLY_LOOP = Argument("loop", LOOP_REF, "Only this loop.", optional=True)
PROMPT = Argument("prompt", PROMPT_ID, "Number of the prompt.")
RULE = Argument("rule", RULE_NAME, "Name of the rule.")
