"""Decisions and their parts, as deciders, people and models write them. No behavior."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ftl2_enterprise.core.wire import Strict


class ObservationSpec(Strict, frozen=True):
    """An observation before a decision: a module call that must not change anything.

    `name` is the key under which the result appears in the state; `host` may be a group.
    """

    name: str
    module: str
    params: dict[str, Any] = {}
    host: str | None = None


class ActionSpec(Strict, frozen=True):
    """A module call that changes something. `host` may be a group; None is the machine that the loop runs on."""

    module: str
    params: dict[str, Any] = {}
    host: str | None = None
    reason: str | None = None
    step: str | None = None
    """The step of a manifest that it belongs to. Only a manifest gives one."""
    part: int = 0
    """Which of the actions of the step it is, from 0."""


class Ask(Strict, frozen=True):
    """A question to a person. `default` is the answer if the deadline passes or the prompt is dismissed."""

    question: str
    options: list[str] = []
    default: str | None = None
    key: str | None = None
    """A stable name, by which later iterations find the answer; None uses the question itself."""
    secret: bool = False
    """Whether the answer is a secret. Only a manifest can ask for one."""


class StateOp(Strict, frozen=True):
    """A change to the registered hosts and resources of the loop: `add_resource`, `add_host` or `remove`."""

    op: str
    name: str
    data: dict[str, Any] = {}
    ansible_host: str | None = None
    ansible_user: str | None = None
    ansible_port: int | None = None
    groups: list[str] = []


class Operator(StrEnum):
    """How an expectation compares the value."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    MATCHES = "matches"
    EXISTS = "exists"
    ABSENT = "absent"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


class Expectation(Strict, frozen=True):
    """One predicate over one observation: the value at `path` (dotted, "" is the whole result) against `value`."""

    observation: str
    path: str = ""
    op: Operator = Operator.EQUALS
    value: Any = None


class Check(Strict, frozen=True):
    """What must hold for the loop to be in sync without a call of the decider."""

    observe: list[ObservationSpec]
    expect: list[Expectation]


class Decision(Strict, frozen=True):
    """A decision. Precedence if several are given: blocked, converged, ask, observe and actions."""

    reasoning: str = ""
    converged: bool = False
    blocked: str | None = None
    ask: Ask | None = None
    actions: list[ActionSpec] = []
    observe: list[ObservationSpec] = []
    state_ops: list[StateOp] = []
    check: Check | None = None
    unmet: list[str] = []
    """Differences from the desired state, one line each, for people."""
    unknown: list[str] = []
    """Those of `unmet` that could not be observed: they are no drift."""
    left_out: list[str] = []
    """Steps that are not in place, and that a person has left out. Only a manifest has them."""
