"""The values that a command line gives to arguments and options."""

from __future__ import annotations

from typing import Any

import msgspec


class GivenValues(msgspec.Struct, frozen=True):
    """The checked values of a command line, by the names of arguments and options."""

    values: dict[str, Any] = {}

    def has(self, name: str) -> bool:
        """Whether the option or argument was given."""
        return name in self.values

    def text(self, name: str) -> str:
        """The value of a required argument."""
        return str(self.values[name])

    def maybe(self, name: str) -> str | None:
        """A text, or None when it was not given."""
        value = self.values.get(name)
        return None if value is None else str(value)

    def number(self, name: str, default: int) -> int:
        """A whole number."""
        return int(self.values.get(name, default))

    def maybe_number(self, name: str) -> int | None:
        """A whole number, or None when it was not given."""
        value = self.values.get(name)
        return None if value is None else int(value)

    def maybe_float(self, name: str) -> float | None:
        """A number, or None when it was not given."""
        value = self.values.get(name)
        return None if value is None else float(value)

    def many(self, name: str) -> list[str]:
        """The values of an option or argument that may be repeated."""
        return list(self.values.get(name, []))
