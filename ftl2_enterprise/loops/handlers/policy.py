"""Handlers of policy. What they reply was read and judged before, because files may take long."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Compared with the declarations of the verbs when control starts.
from ftl2_enterprise.protocol.loops.policy import PolicyAnswer, PolicyInForce
from ftl2_enterprise.protocol.loops.verbs import CheckPolicy, ShowPolicy

if TYPE_CHECKING:
    from ftl2_enterprise.core.children import Table
    from ftl2_enterprise.store.tx import Tx


def check_policy(
    tx: Tx, request: CheckPolicy, children: Table, answers: list[list[PolicyAnswer]]
) -> list[list[PolicyAnswer]]:
    """The verdict about each call in question."""
    return answers


def show_policy(tx: Tx, request: ShowPolicy, children: Table, found: PolicyInForce) -> PolicyInForce:
    """The rules in force."""
    return found
