"""Lifecycles as tables: state x event -> state. Pure; the store turns a move into one guarded UPDATE."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class IllegalMove(Exception):
    """The table has no such move; raised by a programming error, never by bad input."""


class Machine[S: StrEnum, E: StrEnum]:
    """One lifecycle. States without an entry in the table are final."""

    def __init__(self, name: str, states: type[S], initial: S, table: Mapping[S, Mapping[E, S]]) -> None:
        self.name: str = name
        self.states: tuple[S, ...] = tuple(states)
        self.initial: S = initial
        self.table: dict[S, dict[E, S]] = {state: dict(table.get(state, {})) for state in self.states}

    def after(self, state: S, event: E) -> S:
        """The state that the event leads to; raises IllegalMove when the table has none."""
        try:
            return self.table[state][event]
        except KeyError:
            raise IllegalMove(f"{self.name}: no move {str(event)!r} from {str(state)!r}") from None

    def sources(self, event: E) -> dict[S, S]:
        """Every state in which the event may happen, with where it leads."""
        return {state: moves[event] for state, moves in self.table.items() if event in moves}

    def is_final(self, state: S) -> bool:
        """Whether nothing leads out of the state."""
        return not self.table[state]

    @property
    def final_states(self) -> tuple[S, ...]:
        """States that nothing leads out of."""
        return tuple(state for state in self.states if self.is_final(state))

    @property
    def open_states(self) -> tuple[S, ...]:
        """States that something leads out of."""
        return tuple(state for state in self.states if not self.is_final(state))
