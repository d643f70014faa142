"""Lifecycles as tables: state x event -> state. Pure; the store executes a transition as one guarded UPDATE."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class IllegalMove(Exception):
    """The table has no such transition: a defect of the program, never the result of bad input."""


class Machine[S: StrEnum, E: StrEnum]:
    """One lifecycle. States without an entry in the table are final."""

    def __init__(self, name: str, states: type[S], initial: S, table: Mapping[S, Mapping[E, S]]) -> None:
        self.name: str = name
        self.states: tuple[S, ...] = tuple(states)
        self.initial: S = initial
        self.table: dict[S, dict[E, S]] = {state: dict(table.get(state, {})) for state in self.states}

    def after(self, state: S, event: E) -> S:
        """The state that the event leads to. Raises IllegalMove when the table has none."""
        try:
            return self.table[state][event]
        except KeyError:
            raise IllegalMove(f"{self.name}: no move {str(event)!r} from {str(state)!r}") from None

    def sources(self, event: E) -> dict[S, S]:
        """Every state in which the event may happen, with the state that it leads to."""
        return {state: moves[event] for state, moves in self.table.items() if event in moves}

    def is_final(self, state: S) -> bool:
        """Whether no event leads out of the state."""
        return not self.table[state]

    @property
    def final_states(self) -> tuple[S, ...]:
        """The states that no event leads out of."""
        return tuple(state for state in self.states if self.is_final(state))

    @property
    def open_states(self) -> tuple[S, ...]:
        """The states that an event leads out of."""
        return tuple(state for state in self.states if not self.is_final(state))
