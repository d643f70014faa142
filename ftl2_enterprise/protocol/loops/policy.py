"""Questions about policy, and their answers."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ftl2_enterprise.core.wire import Wire
from ftl2_enterprise.protocol.loops.approvals import RequiredPeople
from ftl2_enterprise.protocol.verb import Reference

REFUSED = "refused"
"""The ruling about a call that nothing can run, whatever the policy is."""


class CallKind(StrEnum):
    """What a call in question is for."""

    ACTION = "action"
    OBSERVATION = "observation"
    MODEL_CALL = "model_call"
    """A request to a model: the module is its provider, its parameters are `model` and `purpose`; it has no host."""


class CallOrigin(StrEnum):
    """Who asks for the call in question."""

    MANIFEST = "manifest"
    PLAYBOOK = "playbook"
    RULE = "rule"
    MODEL = "model"
    PERSON = "person"


class PolicyQuestion(Wire, frozen=True):
    """A call about which the gate is asked."""

    module: Reference
    host: Reference = "localhost"
    """A host or a group."""
    params: dict[str, Any] = {}
    kind: CallKind = CallKind.ACTION
    origin: CallOrigin = CallOrigin.MODEL
    environment: Reference | None = None
    """None: that of the loop, if one is named."""


class PolicyAnswer(Wire, frozen=True):
    """The verdict of the gate about a call on one host, and why."""

    host: str
    """Empty for a request to a model."""
    ruling: str
    """`allow`, `preview`, `ask`, `hold`, `deny`, or `refused`: nothing can run the call, whatever the policy is."""
    rule: int | None
    """Number of the rule that decides, if one does."""
    source: str | None
    """The file and line of that rule."""
    reason: str
    """One sentence."""
    problem: str | None
    """Of `refused`: why nothing can run the call, such as a module that does not exist."""
    fence: str
    """By what the call is kept from changing the host: `none`, `reading`, `check_mode` or `sandbox`."""
    paths: list[str] = []
    """What the host has to resolve before the last verdict, because a rule about paths could apply: links, `~`."""
    frozen: str | None = None
    """The freeze that holds the call now, whatever the ruling is; one sentence."""
    revision: str | None = None
    """The digest of the policy of that rule."""
    needs: list[RequiredPeople] = []
    """Who must agree, all of them: of `ask`, and of `preview` if the call would ask outside of a dry run."""


class PolicyRuleLine(Wire, frozen=True):
    """A rule that is in force."""

    of: str
    """`site`, or the name of the loop."""
    number: int
    decision: str
    match: dict[str, str]
    applies_to: list[str]
    reason: str
    source: str
    needs: RequiredPeople | None = None
    """Of a rule that asks: who must agree."""


class PolicyInForce(Wire, frozen=True):
    """The rules that are in force, in the order in which they are compared."""

    rules: list[PolicyRuleLine]
    revision: str
    """Digest of the rules of the site."""
    problem: str | None = None
    """Why the site policy cannot be used; then nothing has an effect, or the previous policy stays in force."""
    defaults: dict[str, str] = {}
    """By origin: what happens to actions about which the site has no rule; others are allowed."""
    warnings: list[str] = []
    """Names in rules that nothing has, one sentence each: such a rule probably has no effect."""
