"""Options of the commands that submit or run a loop, declared once for both programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ftl2_enterprise.commandline.declaration import (
    DOLLARS,
    NUMBER,
    PATH,
    SECONDS,
    TEXT,
    Argument,
    Option,
    ValueKind,
)
from ftl2_enterprise.commandline.loops.desired_state import DECIDERS, MANIFESTS, MODES
from ftl2_enterprise.core.problem import invalid
from ftl2_enterprise.protocol.loops.spec_limits import ASK_DELAY, COST, DURATION, ITERATIONS, TOKENS

if TYPE_CHECKING:
    from ftl2_enterprise.commandline.values import GivenValues


def _name(shown: str, word: str) -> str:
    if not word.strip():
        raise invalid(f"cannot take an empty {shown}", "without it, a name is derived")
    return word


NAME_TEXT = ValueKind(name="name", check=_name)
SENTENCE_OR_MANIFEST = ValueKind(name="text", is_path=True, endings=MANIFESTS)

DESIRED_STATE = Argument(
    "desired-state",
    SENTENCE_OR_MANIFEST,
    "A sentence, or the file name of a manifest (site.yaml).",
    optional=True,
    rest=True,
)
FILE = Option(
    "file",
    "Read the desired state or a manifest from FILE; `-` is standard input.",
    PATH,
    short="f",
    value="FILE",
)
NAME = Option(
    "name", "Name of the loop; by default derived from the desired state.", NAME_TEXT, short="n", value="NAME"
)
MODE = Option(
    "mode",
    "Converge once, or keep the desired state.",
    TEXT,
    choices=tuple(map(str, MODES)),
    default="single",
)
INTERVAL = Option(
    "interval",
    "Seconds between the runs of a continuous loop; 60 for a new loop.",
    SECONDS,
    above=DURATION.above,
    at_most=DURATION.at_most,
)
DRY_RUN = Option("dry-run", "Show what would be changed, and change nothing.")
RUN_CHECKS = Option(
    "run-checks",
    "In a dry run, run checks without the sandbox, as they are written.",
)
POLICY = Option("policy", "Policy file that restricts what the loop may do.", PATH, value="FILE")
ENVIRONMENT = Option("environment", "Environment that policy rules match, such as `production`.", TEXT, value="NAME")
RULES_DIR = Option("rules-dir", "Directory of rules, which decide without a model.", PATH, value="DIR")
DECIDER = Option("decider", "Decider of the loop.", TEXT, choices=DECIDERS, default="auto")
MODEL = Option("model", "Model that the decider calls.", TEXT, value="NAME")
REMEDIATION = Option(
    "remediation",
    "What the loop does about drift: repair it, ask for an approval first, or only report it.",
    TEXT,
    choices=("auto", "ask", "never"),
)
MAX_COST = Option(
    "max-cost",
    "Maximum cost of the loop's model calls.",
    DOLLARS,
    value="USD",
    at_least=COST.at_least,
    at_most=COST.at_most,
)
MAX_TOKENS = Option(
    "max-tokens",
    "Maximum tokens of the loop's model calls, sent and received.",
    NUMBER,
    at_least=TOKENS.at_least,
    at_most=TOKENS.at_most,
)
MAX_ITERATIONS = Option(
    "max-iterations",
    "Maximum iterations per run; 10 for a new loop.",
    NUMBER,
    at_least=ITERATIONS.at_least,
    at_most=ITERATIONS.at_most,
)
MAX_ASK_DELAY = Option(
    "max-ask-delay",
    "Ask a person after this many consecutive iterations with failures; 0: never. A loop that is not continuous asks "
    "at the latest before its last iteration.",
    NUMBER,
    at_least=ASK_DELAY.at_least,
    at_most=ASK_DELAY.at_most,
    default="0",
)
ACTION_TIMEOUT = Option(
    "action-timeout",
    "Maximum seconds per action; 300 for a new loop.",
    SECONDS,
    above=DURATION.above,
    at_most=DURATION.at_most,
)


def inventory(default: str) -> Option:
    """`--inventory`; the default is described for the help."""
    return Option("inventory", f"Inventory of the hosts; by default {default}.", PATH, short="i", value="FILE")


PROMPT_TIMEOUT = Option(
    "prompt-timeout",
    "Maximum seconds to wait for the answer to a prompt.",
    SECONDS,
    above=DURATION.above,
    at_most=DURATION.at_most,
)
SECRET = Option(
    "secret",
    "Bind a secret, or one of the manifest's by its name: SOURCE is credential:NAME or a variable of the service.",
    TEXT,
    short="s",
    value="MODULE.PARAM=SOURCE",
    many=True,
)


LABEL = Option(
    "label",
    "Label of the loop, by which rules select it.",
    TEXT,
    value="KEY=VALUE",
    many=True,
)
OF_SERVED_LOOPS = (
    REMEDIATION,
    POLICY,
    ENVIRONMENT,
    LABEL,
    RULES_DIR,
    SECRET,
    DECIDER,
    MODEL,
    MAX_COST,
    MAX_TOKENS,
    MAX_ITERATIONS,
    MAX_ASK_DELAY,
    ACTION_TIMEOUT,
    PROMPT_TIMEOUT,
)
"""What can be chosen for a loop of the service when it is submitted, and changed later."""


def absolute(given: GivenValues, option: str) -> str | None:
    """The absolute path of an option, because the service has another working directory; None without the option."""
    path = given.maybe(option)
    return None if path is None else os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - pathlib costs a client too much
